import type { BufferResource } from '../buffers.js';
import { DTYPES } from '../dtype.js';
import type { InferContext } from '../op.js';
import { compatible, formatType, type TensorType } from '../shape.js';
import { declareOps } from './shared.js';

const WORDS = { stagingArea: 'staging area', queue: 'queue' } as const;

/** Buffers between steps, first in first out: staging areas, and TensorFlow's FIFOQueueV2. */
export const stagingOps = declareOps({
  Stage: {
    summary: 'puts its inputs into the staging area as one tuple',
    inputs: [{ name: 'values', dtype: DTYPES, rest: true }],
    attrs: {},
    effect: { kind: 'resources', effects: ['put'] },
    infer: (context) => putType(context, 'stagingArea'),
    gradient: 'none',
  },
  Unstage: {
    summary: 'takes the oldest tuple out of the staging area',
    inputs: [],
    attrs: {},
    effect: { kind: 'resources', effects: ['get'] },
    infer: (context) => bufferOf(context, 'stagingArea').types,
    gradient: 'none',
  },
  QueueEnqueueV2: {
    summary: 'puts its inputs into the queue as one tuple',
    inputs: [{ name: 'components', dtype: DTYPES, rest: true }],
    attrs: {},
    effect: { kind: 'resources', effects: ['put'] },
    infer: (context) => putType(context, 'queue'),
    gradient: 'none',
  },
  QueueDequeueV2: {
    summary: 'takes the oldest tuple out of the queue',
    inputs: [],
    attrs: {},
    effect: { kind: 'resources', effects: ['get'] },
    infer: (context) => bufferOf(context, 'queue').types,
    gradient: 'none',
  },
});

function bufferOf(context: InferContext, kind: BufferResource['kind']): BufferResource {
  const [resource] = context.resources;
  if (context.resources.length === 1 && resource?.kind === kind) return resource as BufferResource;
  return context.fail(`it acts on one ${WORDS[kind]}`);
}

function putType(context: InferContext, kind: BufferResource['kind']): readonly TensorType[] {
  const { name, types } = bufferOf(context, kind);
  const buffer = `${WORDS[kind]} ${JSON.stringify(name)}`;
  if (context.inputs.length !== types.length) {
    context.fail(`${buffer} takes ${types.length} values, not ${context.inputs.length}`);
  }
  types.forEach((type, i) => {
    const value = context.input(i);
    if (value.dtype !== type.dtype || !compatible(value.shape, type.shape)) {
      context.fail(`value ${i} is ${formatType(value)}, but ${buffer} holds ${formatType(type)}`);
    }
  });
  return [];
}
