import { NUMBERS } from '../dtype.js';
import type { InferContext } from '../op.js';
import { type TensorType, tensorType } from '../shape.js';
import { passOn } from './gradients/common.js';
import { checkKind, declareOps, INT, likeFirst, merged, number, pure, rest, STRING, same } from './shared.js';

/** Copies and collectives between devices. */
export const communicationOps = declareOps({
  Transfer: {
    summary: 'x on the device of this node, copied from the device of its producer',
    inputs: [same('tensor')],
    attrs: {},
    effect: { kind: 'communicate' },
    infer: (context) => [context.input(0)],
    gradient: passOn,
  },
  AllReduce: {
    summary: 'the sum or mean of one tensor of every tower, once for each of them; expanded before it runs',
    inputs: [rest('inputs')],
    attrs: { reduction: { kind: 'string', default: 'sum', oneOf: ['sum', 'mean'] } },
    effect: pure,
    infer: allReduceType,
    gradient: 'none',
  },
  NcclAllReduce: {
    summary: 'the sum of the inputs of all members of shared_name, added in the order of their towers',
    inputs: [number('input')],
    attrs: {
      reduction: { kind: 'string', default: 'sum', oneOf: ['sum'] },
      num_devices: INT,
      shared_name: STRING,
    },
    effect: { kind: 'communicate' },
    infer: memberType,
    gradient: 'none',
  },
  Barrier: {
    summary: 'waits until all parties of the barrier have come',
    inputs: [],
    attrs: {},
    effect: { kind: 'resources', effects: ['put'] },
    infer: (context) => {
      const [resource] = context.resources;
      if (context.resources.length !== 1 || resource?.kind !== 'barrier')
        context.fail('it acts on one barrier');
      return [];
    },
    gradient: 'none',
  },
});

function allReduceType(context: InferContext): readonly TensorType[] {
  if (context.inputs.length === 0)
    context.fail('there is nothing to reduce', 'give one tensor of every tower');
  const { dtype } = checkKind(context, NUMBERS);
  const shape = context.inputs
    .map((type) => type.shape)
    .reduce((sum, next) => merged(context, sum, next, 'the shapes of the towers'));
  return context.inputs.map(() => tensorType(dtype, shape));
}

function memberType(context: InferContext): readonly TensorType[] {
  const members = context.attr('num_devices', 'int');
  if (members < 1) context.fail(`num_devices ${members} must be 1 or more`);
  if (context.attr('shared_name', 'string') === '') {
    context.fail('shared_name is empty', 'members find each other by it');
  }
  return likeFirst(NUMBERS)(context);
}
