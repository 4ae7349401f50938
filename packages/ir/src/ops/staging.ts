import { DTYPES } from '../dtype.js';
import type { StagingAreaResource } from '../graph.js';
import type { InferContext } from '../op.js';
import { compatible, formatType, type TensorType } from '../shape.js';
import { declareOps } from './shared.js';

/** Buffers between steps, first in first out. */
export const stagingOps = declareOps({
  Stage: {
    summary: 'puts its inputs into the staging area as one tuple',
    inputs: [{ name: 'values', dtype: DTYPES, rest: true }],
    attrs: {},
    effect: { kind: 'resources', effects: ['put'] },
    infer: stageType,
    gradient: 'none',
  },
  Unstage: {
    summary: 'takes the oldest tuple out of the staging area',
    inputs: [],
    attrs: {},
    effect: { kind: 'resources', effects: ['get'] },
    infer: (context) => areaOf(context).types,
    gradient: 'none',
  },
});

function areaOf(context: InferContext): StagingAreaResource {
  const [resource] = context.resources;
  if (context.resources.length === 1 && resource?.kind === 'stagingArea') return resource;
  return context.fail('it acts on one staging area');
}

function stageType(context: InferContext): readonly TensorType[] {
  const { name, types } = areaOf(context);
  if (context.inputs.length !== types.length) {
    context.fail(
      `staging area ${JSON.stringify(name)} takes ${types.length} values, not ${context.inputs.length}`,
    );
  }
  types.forEach((type, i) => {
    const value = context.input(i);
    if (value.dtype !== type.dtype || !compatible(value.shape, type.shape)) {
      context.fail(
        `value ${i} is ${formatType(value)}, but staging area ${JSON.stringify(name)} holds ${formatType(type)}`,
      );
    }
  });
  return [];
}
