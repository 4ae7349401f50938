import { allocate, broadcastShapes, type DType, sameShape, type TensorValue } from '@placewright/ir';
import { broadcastStrides, elementsOf, offsetsOf, sizeOf } from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';
import { rounder, roundHalf } from '../rounding.js';
import { broadcastTo } from './array.js';

// Stores into the output's typed array round each result to its dtype. Arithmetic on int64 runs on bigints with the same
// operators, so a function here must not mix its operands with number literals unless its op is for floats alone.

type Unary = (x: number) => number;
type Binary = (a: number, b: number) => number;

function unary(f: Unary): Kernel {
  return (context) => {
    const value = context.input(0);
    if (value.data instanceof BigInt64Array) return context.fail('int64 is not supported');
    const data = allocate(value.dtype, value.data.length);
    const from = value.data;
    for (let i = 0; i < from.length; i++) data[i] = f(from[i] as number);
    return [{ dtype: value.dtype, shape: value.shape, data }];
  };
}

export const neg = unary((x) => -x);
export const exp = unary(Math.exp);
export const log = unary(Math.log);
export const square = unary((x) => x * x);
export const sqrt = unary(Math.sqrt);
export const rsqrt = unary((x) => 1 / Math.sqrt(x));
export const tanh = unary(Math.tanh);
export const sigmoid = unary((x) => 1 / (1 + Math.exp(-x)));
export const floor = unary(Math.floor);
export const abs = unary(Math.abs);
/** NaN stays NaN, as in TensorFlow. */
export const relu = unary((x) => Math.max(x, 0));

/** `f` over two values by NumPy's broadcasting. Throws PW_SHAPE_MISMATCH. */
function zip(out: DType, f: Binary, a: TensorValue, b: TensorValue): TensorValue {
  if (sameShape(a.shape, b.shape)) return zipSame(out, f, a, b);
  const shape = broadcastShapes(a.shape, b.shape) as readonly number[];
  const data = allocate(out, sizeOf(shape));
  const to = elementsOf(data);
  const x = elementsOf(a.data);
  const y = elementsOf(b.data);
  const xStrides = broadcastStrides(a.shape, shape);
  const yStrides = broadcastStrides(b.shape, shape);
  const xs = offsetsOf(shape.slice(0, -1), xStrides);
  const ys = offsetsOf(shape.slice(0, -1), yStrides);
  const length = shape.at(-1) ?? 1;
  const xStep = xStrides.at(-1) ?? 0;
  const yStep = yStrides.at(-1) ?? 0;
  let k = 0;
  for (let i = 0; i < xs.length; i++) {
    let p = xs[i] as number;
    let q = ys[i] as number;
    for (let j = 0; j < length; j++, p += xStep, q += yStep) to[k++] = f(x[p] as number, y[q] as number);
  }
  return { dtype: out, shape, data };
}

function zipSame(out: DType, f: Binary, a: TensorValue, b: TensorValue): TensorValue {
  const data = allocate(out, a.data.length);
  const to = elementsOf(data);
  const x = elementsOf(a.data);
  const y = elementsOf(b.data);
  for (let i = 0; i < x.length; i++) to[i] = f(x[i] as number, y[i] as number);
  return { dtype: out, shape: a.shape, data };
}

function binary(choose: (dtype: DType) => Binary): Kernel {
  return (context) => {
    const a = context.input(0);
    return [zip(a.dtype, choose(a.dtype), a, context.input(1))];
  };
}

const sum: Binary = (a, b) => a + b;
const difference: Binary = (a, b) => a - b;
const product: Binary = (a, b) => a * b;
const quotient: Binary = (a, b) => a / b;

/** `a + b` with the dtype's rounding, or wrapping around. Throws PW_SHAPE_MISMATCH. */
export function addValues(a: TensorValue, b: TensorValue): TensorValue {
  return roundHalf(zip(a.dtype, sum, a, b));
}

export function subtractValues(a: TensorValue, b: TensorValue): TensorValue {
  return zip(a.dtype, difference, a, b);
}

/** `a / b` for floats. */
export function divideValues(a: TensorValue, b: TensorValue): TensorValue {
  return zip(a.dtype, quotient, a, b);
}

const multiplication = (dtype: DType): Binary => (dtype === 'int32' ? Math.imul : product);

export const add = binary(() => sum);
export const sub = binary(() => difference);
export const mul = binary(multiplication);
export const maximum = binary(() => (a, b) => (b > a || Number.isNaN(b) ? b : a));
export const minimum = binary(() => (a, b) => (b < a || Number.isNaN(b) ? b : a));

export const realDiv = binary(() => quotient);

export const squaredDifference = binary((dtype) => {
  const round = rounder(dtype);
  const times = multiplication(dtype);
  return (a, b) => {
    const d = round(a - b);
    return times(d, d);
  };
});

function comparison(holds: (a: number, b: number) => boolean): Kernel {
  const f: Binary = (a, b) => (holds(a, b) ? 1 : 0);
  return (context) => [zip('bool', f, context.input(0), context.input(1))];
}

export const equal = comparison((a, b) => a === b);
export const greater = comparison((a, b) => a > b);
export const greaterEqual = comparison((a, b) => a >= b);
export const less = comparison((a, b) => a < b);

/** Sums in the order of the inputs, each partial sum rounded. */
export const addN: Kernel = (context) => {
  const first = context.input(0);
  if (!context.inputs.every(({ shape }) => sameShape(shape, first.shape)))
    context.fail('the inputs differ in shape');
  return [context.inputs.slice(1).reduce(addValues, first)];
};

export const select: Kernel = (context) => {
  const [condition, a, b] = [context.input(0), context.input(1), context.input(2)];
  const dims = broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape)) as readonly number[];
  const data = allocate(a.dtype, sizeOf(dims));
  const to = elementsOf(data);
  const take = (value: TensorValue): Float64Array => elementsOf(broadcastTo(context, value, dims).data);
  const [chosen, x, y] = [take(condition), take(a), take(b)];
  for (let i = 0; i < to.length; i++) to[i] = (chosen[i] !== 0 ? x[i] : y[i]) as number;
  return [{ dtype: a.dtype, shape: dims, data }];
};

/** `min(max(x, lo), hi)` with scalar bounds. */
export const clipByValue: Kernel = (context) => {
  const lo = scalarInput(context, 1);
  const hi = scalarInput(context, 2);
  return unary((x) => Math.min(Math.max(x, lo), hi))(context);
};

/** The one element of a scalar input as a number. Throws PW_KERNEL_INPUT. */
export function scalarInput(context: KernelContext, index: number): number {
  const value = context.input(index);
  if (value.shape.length !== 0)
    context.fail(`input ${index} is no scalar: its shape is [${value.shape.join(', ')}]`);
  return Number(value.data[0]);
}

/** `gradients` where `features` are above zero. */
export const reluGrad: Kernel = (context) => {
  const gradients = context.input(0);
  return [
    zip(gradients.dtype, (gradient, feature) => (feature > 0 ? gradient : 0), gradients, context.input(1)),
  ];
};
