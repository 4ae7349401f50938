import type { DType } from '@placewright/ir';
import { ARITHMETIC, type EmitContext, emitter, FLOATING, REGION_DTYPES, summing } from './context.js';

/**
 * Writes an op that treats all elements alike, on images where an operand is there only as one and the others are of
 * its rank or scalars: broadcasting along a dimension does not care where it stands.
 */
export function pointwise(
  context: EmitContext,
  make: (inputs: readonly string[]) => string,
  count = context.inputCount,
): void {
  const indices = Array.from({ length: count }, (_, index) => index);
  const ranks = indices.map((index) => context.type(index).shape.length);
  const asImages =
    indices.some((index) => context.isImage(index)) && ranks.every((rank) => rank === 4 || rank === 0);
  if (!asImages) {
    context.set(0, make(indices.map((index) => operand(context, index))));
    return;
  }
  context.setImage(
    0,
    make(indices.map((index) => (ranks[index] === 4 ? context.image(index) : context.input(index)))),
  );
}

/**
 * An input as it is, but a scalar with a dimension for each of the result's where the last of these is 1: ONNX Runtime
 * would take one element at a time.
 */
function operand(context: EmitContext, index: number): string {
  const { shape } = context.output();
  if (context.type(index).shape.length > 0 || shape.at(-1) !== 1) return context.input(index);
  const ones = context.builder.ints(shape.map(() => 1));
  return context.derived(index, `rank ${shape.length}`, () =>
    context.builder.op('Reshape', [context.input(index), ones]),
  );
}

const unary = (op: string, dtypes: readonly DType[] = FLOATING) =>
  emitter(op, dtypes, (context) => pointwise(context, (inputs) => context.builder.op(op, inputs)));

const binary = (op: string, dtypes: readonly DType[] = ARITHMETIC) => unary(op, dtypes);

export const add = binary('Add');
export const sub = binary('Sub');
export const mul = binary('Mul');
export const realDiv = binary('Div', FLOATING);
export const maximum = binary('Max');
export const minimum = binary('Min');
export const neg = unary('Neg');
export const exp = summing(unary('Exp'));
export const log = summing(unary('Log'));
export const sqrt = unary('Sqrt');
export const tanh = summing(unary('Tanh'));
export const sigmoid = summing(unary('Sigmoid'));
export const abs = unary('Abs');
export const floor = unary('Floor');
export const relu = unary('Relu');
export const equal = binary('Equal', [...ARITHMETIC, 'bool']);
export const greater = binary('Greater');
export const greaterEqual = binary('GreaterOrEqual');
export const less = binary('Less');

export const square = emitter('Mul', FLOATING, (context) =>
  pointwise(context, ([x = '']) => context.builder.op('Mul', [x, x])),
);

export const rsqrt = summing(
  emitter('Sqrt, Reciprocal', FLOATING, (context) =>
    pointwise(context, (inputs) => context.builder.op('Reciprocal', [context.builder.op('Sqrt', inputs)])),
  ),
);

export const squaredDifference = emitter('Sub, Mul', ARITHMETIC, (context) =>
  pointwise(context, (inputs) => {
    const difference = context.builder.op('Sub', inputs);
    return context.builder.op('Mul', [difference, difference]);
  }),
);

export const addN = emitter('Add', ARITHMETIC, (context) => {
  if (context.inputCount === 1) context.alias();
  else
    pointwise(context, ([first = '', ...rest]) =>
      rest.reduce((sum, next) => context.builder.op('Add', [sum, next]), first),
    );
});

export const select = emitter(
  'Where',
  ['float32', 'float64', 'int32', 'int64', 'uint8'],
  (context) => pointwise(context, (inputs) => context.builder.op('Where', inputs)),
  1,
);

export const clipByValue = emitter('Max, Min', FLOATING, (context) =>
  pointwise(context, ([x = '', lo = '', hi = '']) =>
    context.builder.op('Min', [context.builder.op('Max', [x, lo]), hi]),
  ),
);

/** Makes output 0 its input. */
export const identity = emitter('none (another name)', REGION_DTYPES, (context) => context.alias());
