import { type BufferResource, takenTypes } from '../buffers.js';
import { DTYPES } from '../dtype.js';
import type { InferContext } from '../op.js';
import { compatible, formatType, type TensorType } from '../shape.js';
import { declareOps, INT } from './shared.js';

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
  QueueDequeueManyV2: {
    summary: 'takes the n oldest tuples out of the queue at once, put together along a new first dimension',
    inputs: [],
    attrs: { n: INT },
    effect: { kind: 'resources', effects: ['get'] },
    infer: manyType,
    gradient: 'none',
  },
});

function bufferOf(context: InferContext, kind: BufferResource['kind']): BufferResource {
  const [resource] = context.resources;
  if (context.resources.length === 1 && resource?.kind === kind) return resource as BufferResource;
  return context.fail(`it acts on one ${WORDS[kind]}`);
}

function manyType(context: InferContext): readonly TensorType[] {
  const { name, types, capacity } = bufferOf(context, 'queue');
  const n = context.attr('n', 'int');
  if (n < 0) context.fail(`n ${n} must be 0 or more`);
  if (n > capacity) {
    context.fail(`it takes ${n} tuples at once, and queue ${JSON.stringify(name)} has room for ${capacity}`);
  }
  return takenTypes(types, { op: 'QueueDequeueManyV2', attrs: new Map([['n', { kind: 'int', value: n }]]) });
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
