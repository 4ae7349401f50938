import { getAttr } from '../../src/attr.js';
import { NUMBERS } from '../../src/dtype.js';
import type { VariableResource } from '../../src/graph.js';
import { createRegistry, type InferContext, type OpDecl, PURE, type ResourceEffect } from '../../src/op.js';
import type { TensorType } from '../../src/shape.js';

const first = (context: InferContext): readonly TensorType[] => [context.input(0)];
const none = (): readonly TensorType[] => [];

function pure(op: string, inputs: number, infer: OpDecl['infer'] = first): OpDecl {
  return {
    op,
    summary: op,
    inputs: Array.from({ length: inputs }, (_, i) => ({ name: `x${i}`, dtype: 'T' })),
    attrs: {},
    effect: PURE,
    infer,
    gradient: 'none',
  };
}

function stateful(
  op: string,
  inputs: number,
  effects: readonly ResourceEffect[],
  infer: OpDecl['infer'] = none,
): OpDecl {
  return { ...pure(op, inputs, infer), effect: { kind: 'resources', effects } };
}

function readType({ resources, fail }: InferContext): readonly TensorType[] {
  const [variable] = resources;
  if (variable?.kind !== 'variable') return fail('reads no variable');
  return [{ dtype: (variable as VariableResource).dtype, shape: variable.shape }];
}

function areaTypes({ resources, fail }: InferContext): readonly TensorType[] {
  const [area] = resources;
  return area?.kind === 'stagingArea' ? area.types : fail('gets from no staging area');
}

/** A handful of ops under TensorFlow's names: what the tests of text form and verifier need, and no more. */
export const ops = createRegistry([
  {
    ...pure('Const', 0, ({ attrs }) =>
      [getAttr({ op: 'Const', attrs }, 'value', 'tensor')].map(({ dtype, shape }) => ({ dtype, shape })),
    ),
    attrs: { value: { kind: 'tensor' } },
  },
  {
    ...pure('Placeholder', 0, (context) => [
      { dtype: context.attr('dtype', 'dtype'), shape: context.attr('shape', 'shape') },
    ]),
    attrs: { dtype: { kind: 'dtype' }, shape: { kind: 'shape' } },
    effect: { kind: 'feed' },
  },
  pure('Identity', 1),
  pure('AddV2', 2),
  pure('NoOp', 0, none),
  {
    ...pure('AddN', 1),
    inputs: [{ name: 'inputs', dtype: 'T', rest: true }],
  },
  {
    ...pure('Pool', 1),
    attrs: {
      ksize: { kind: 'ints' },
      padding: { kind: 'string', oneOf: ['SAME', 'VALID'] },
      rate: { kind: 'float', default: 0.1 },
    },
  },
  {
    ...pure('Split', 1, (context) =>
      Array.from({ length: context.attr('num_split', 'int') }, () => context.input(0)),
    ),
    attrs: { num_split: { kind: 'int' } },
  },
  stateful('ReadVariableOp', 0, ['read'], readType),
  stateful('AssignVariableOp', 1, ['write']),
  stateful('AssignAddVariableOp', 1, ['write']),
  stateful('ResourceApplyGradientDescent', 2, ['write']),
  stateful('ResourceApplyMomentum', 3, ['write', 'write']),
  { ...stateful('Stage', 1, ['put']), inputs: [{ name: 'values', dtype: NUMBERS, rest: true }] },
  stateful('Unstage', 0, ['get'], areaTypes),
  stateful('Barrier', 0, ['put']),
  { ...pure('Transfer', 1), effect: { kind: 'communicate' } },
  {
    ...pure('NcclAllReduce', 1),
    effect: { kind: 'communicate' },
    attrs: {
      reduction: { kind: 'string', default: 'sum' },
      num_devices: { kind: 'int' },
      shared_name: { kind: 'string' },
    },
  },
]);
