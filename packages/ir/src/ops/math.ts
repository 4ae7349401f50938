import { type DType, FLOATS, NUMBERS } from '../dtype.js';
import type { InferContext, OpDecl } from '../op.js';
import { formatShape, type TensorType, tensorType } from '../shape.js';
import * as math from './gradients/math.js';
import * as reduce from './gradients/reduce.js';
import {
  BOOL_FALSE,
  broadcast,
  checkKind,
  declareOps,
  dimAt,
  float,
  INT_LIST,
  likeFirst,
  merged,
  mergedDim,
  pure,
  ranked,
  rest,
  same,
} from './shared.js';

type Body = Omit<OpDecl, 'op'>;

/** An op of two operands with broadcasting. */
function binary(
  summary: string,
  allowed: readonly DType[],
  gradient: Body['gradient'],
  result?: DType,
): Body {
  return {
    summary,
    inputs: [same('x'), same('y')],
    attrs: {},
    effect: pure,
    infer: (context) => {
      const { dtype, shape } = checkKind(context, allowed);
      return [tensorType(result ?? dtype, broadcast(context, shape, context.input(1).shape))];
    },
    gradient,
  };
}

/** An op on each element of floats. */
function unary(summary: string, gradient: Body['gradient']): Body {
  return { summary, inputs: [float('x')], attrs: {}, effect: pure, infer: likeFirst(FLOATS), gradient };
}

/** A reduction over the dimensions in `axis`. */
function reduction(summary: string, gradient: Body['gradient']): Body {
  return {
    summary: `${summary} over the dimensions in axis, which go, or stay as 1 with keep_dims`,
    inputs: [same('input')],
    attrs: { axis: INT_LIST, keep_dims: BOOL_FALSE },
    effect: pure,
    infer: reductionType,
    gradient,
  };
}

function reductionType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = checkKind(context, NUMBERS);
  const axes = context.attr('axis', 'ints');
  const misplaced = axes.some((axis, i) => axis < 0 || axis >= shape.length || axis <= (axes[i - 1] ?? -1));
  if (misplaced) {
    context.fail(
      `axis [${axes.join(', ')}] must be dimensions of ${formatShape(shape)} in rising order, counted from 0`,
    );
  }
  const gone = new Set(axes);
  const out = context.attr('keep_dims', 'bool')
    ? shape.map((dim, i) => (gone.has(i) ? 1 : dim))
    : shape.filter((_, i) => !gone.has(i));
  return [tensorType(dtype, out)];
}

/** Arithmetic of elements, sums, products of matrices, comparisons. */
export const mathOps = declareOps({
  AddV2: binary('x + y', NUMBERS, math.addV2),
  Sub: binary('x − y', NUMBERS, math.sub),
  Mul: binary('x · y', NUMBERS, math.mul),
  RealDiv: binary('x / y', FLOATS, math.realDiv),
  Maximum: binary('the larger of x and y', NUMBERS, math.maximum),
  Minimum: binary('the smaller of x and y', NUMBERS, math.minimum),
  SquaredDifference: binary('(x − y)²', NUMBERS, math.squaredDifference),
  Equal: binary('x = y', [...NUMBERS, 'bool'], 'zero', 'bool'),
  Greater: binary('x > y', NUMBERS, 'zero', 'bool'),
  GreaterEqual: binary('x ≥ y', NUMBERS, 'zero', 'bool'),
  Less: binary('x < y', NUMBERS, 'zero', 'bool'),
  Neg: unary('−x', math.neg),
  Exp: unary('eˣ', math.exp),
  Log: unary('ln x', math.log),
  Square: unary('x²', math.square),
  Sqrt: unary('√x', math.sqrt),
  Rsqrt: unary('1/√x', math.rsqrt),
  Tanh: unary('tanh x', math.tanh),
  Sigmoid: unary('1/(1 + e⁻ˣ)', math.sigmoid),
  Abs: unary('|x|', math.abs),
  Floor: unary('the largest whole number that is not above x', 'zero'),
  AddN: {
    summary: 'the sum of all inputs, which have one shape',
    inputs: [rest('inputs')],
    attrs: {},
    effect: pure,
    infer: addNType,
    gradient: math.addN,
  },
  MatMul: {
    summary: '[m, k] × [k, n] → [m, n]; transpose_a and transpose_b turn an operand first',
    inputs: [same('a'), same('b')],
    attrs: { transpose_a: BOOL_FALSE, transpose_b: BOOL_FALSE },
    effect: pure,
    infer: matMulType,
    gradient: math.matMul,
  },
  Sum: reduction('the sum', reduce.sum),
  Mean: reduction('the mean', reduce.mean),
  Max: reduction('the maximum', reduce.max),
  L2Loss: {
    summary: 'half of the sum of squares: a scalar',
    inputs: [float('t')],
    attrs: {},
    effect: pure,
    infer: (context) => [tensorType(context.input(0).dtype, [])],
    gradient: math.l2Loss,
  },
  Select: {
    summary: 'x where the condition holds, y elsewhere, broadcast together',
    inputs: [{ name: 'condition', dtype: ['bool'] }, same('t'), same('e')],
    attrs: {},
    effect: pure,
    infer: (context) => {
      const [condition, x, y] = [context.input(0), context.input(1), context.input(2)];
      return [tensorType(x.dtype, broadcast(context, condition.shape, x.shape, y.shape))];
    },
    gradient: math.select,
  },
  ClipByValue: {
    summary: 'x, but at least the scalar lo and at most the scalar hi',
    inputs: [same('t'), same('clip_value_min'), same('clip_value_max')],
    attrs: {},
    effect: pure,
    infer: (context) => {
      ranked(context, 1, 0, 'clip_value_min');
      ranked(context, 2, 0, 'clip_value_max');
      return [checkKind(context, FLOATS)];
    },
    gradient: math.clipByValue,
  },
});

function addNType(context: InferContext): readonly TensorType[] {
  if (context.inputs.length === 0) context.fail('there is nothing to add', 'give at least one input');
  const { dtype } = checkKind(context, NUMBERS);
  const shape = context.inputs
    .map((type) => type.shape)
    .reduce((sum, next) => merged(context, sum, next, 'the shapes of the inputs'));
  return [tensorType(dtype, shape)];
}

function matMulType(context: InferContext): readonly TensorType[] {
  const { dtype } = checkKind(context, FLOATS);
  const a = ranked(context, 0, 2, 'a');
  const b = ranked(context, 1, 2, 'b');
  const [rows, inner] = context.attr('transpose_a', 'bool') ? [1, 0] : [0, 1];
  const [innerB, columns] = context.attr('transpose_b', 'bool') ? [1, 0] : [0, 1];
  mergedDim(
    context,
    dimAt(a, inner),
    dimAt(b, innerB),
    `the inner dimensions of ${formatShape(a)} and ${formatShape(b)}`,
  );
  return [tensorType(dtype, [dimAt(a, rows), dimAt(b, columns)])];
}
