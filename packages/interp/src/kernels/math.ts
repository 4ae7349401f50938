import { allocate, isFloat, type TensorValue } from '@placewright/ir';
import { elementsOf, fromFloat64, type NumberArray, offsetsOf, rowMajorStrides } from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';
import { axisOf } from './array.js';
import { matrixOf, multiplyAdd } from './matrix.js';

/** Sums in float64 and rounds once. */
export const matMul: Kernel = (context) => {
  const a = operand(context, 0, 'transpose_a');
  const b = operand(context, 1, 'transpose_b');
  if (a.cols !== b.rows) context.fail(`[${a.rows}, ${a.cols}] and [${b.rows}, ${b.cols}] do not multiply`);
  const out = new Float64Array(a.rows * b.cols);
  multiplyAdd(out, a.data, b.data, a.rows, a.cols, b.cols);
  return [fromFloat64(context.input(0).dtype, [a.rows, b.cols], out)];
};

interface Operand {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

function operand(context: KernelContext, index: number, flag: string): Operand {
  const { shape, data } = context.input(index);
  const [rows = 0, cols = 0] = shape;
  if (shape.length !== 2) context.fail(`input ${index} is no matrix: its shape is [${shape.join(', ')}]`);
  const transposed = context.attr(flag, 'bool');
  const matrix = matrixOf(data as NumberArray, rows, cols, transposed);
  return transposed ? { rows: cols, cols: rows, data: matrix } : { rows, cols, data: matrix };
}

/** How a reduction walks its input: for each output, `starts` plus each of `steps` are the offsets of its terms. */
interface Reduction {
  readonly shape: readonly number[];
  readonly starts: Int32Array;
  readonly steps: Int32Array;
}

function reductionOf(context: KernelContext): Reduction {
  const { shape } = context.input(0);
  const axes = new Set(context.attr('axis', 'ints').map((axis) => axisOf(context, axis, shape.length)));
  const strides = rowMajorStrides(shape);
  const all = shape.map((_, axis) => axis);
  const kept = all.filter((axis) => !axes.has(axis));
  const gone = all.filter((axis) => axes.has(axis));
  const walk = (chosen: readonly number[]): Int32Array =>
    offsetsOf(
      chosen.map((axis) => shape[axis] ?? 1),
      chosen.map((axis) => strides[axis] ?? 0),
    );
  const out = context.attr('keep_dims', 'bool')
    ? shape.map((dim, axis) => (axes.has(axis) ? 1 : dim))
    : kept.map((axis) => shape[axis] ?? 1);
  return { shape: out, starts: walk(kept), steps: walk(gone) };
}

/** Float sums in float64, divided by `divisor` there and rounded once. */
function floatSums(value: TensorValue, { shape, starts, steps }: Reduction, divisor: number): TensorValue {
  const out = new Float64Array(starts.length);
  const from = value.data as NumberArray;
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i] as number;
    let total = 0;
    for (let j = 0; j < steps.length; j++) total += from[start + (steps[j] as number)] as number;
    out[i] = total / divisor;
  }
  return fromFloat64(value.dtype, shape, out);
}

/** Integer sums wrap around in the dtype itself. */
function integerSums(value: TensorValue, { shape, starts, steps }: Reduction): TensorValue {
  const data = allocate(value.dtype, starts.length);
  const to = elementsOf(data);
  const from = elementsOf(value.data);
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i] as number;
    for (let j = 0; j < steps.length; j++)
      to[i] = (to[i] as number) + (from[start + (steps[j] as number)] as number);
  }
  return { dtype: value.dtype, shape, data };
}

export const sum: Kernel = (context) => {
  const value = context.input(0);
  const reduction = reductionOf(context);
  return [isFloat(value.dtype) ? floatSums(value, reduction, 1) : integerSums(value, reduction)];
};

export const mean: Kernel = (context) => {
  const value = context.input(0);
  const reduction = reductionOf(context);
  const count = reduction.steps.length;
  if (isFloat(value.dtype)) return [floatSums(value, reduction, count)];
  if (count === 0) context.fail('the mean of no integers');
  const sums = integerSums(value, reduction);
  const divisor = (value.dtype === 'int64' ? BigInt(count) : count) as number;
  const data = allocate(value.dtype, sums.data.length);
  elementsOf(sums.data).forEach((total, i) => {
    elementsOf(data)[i] = total / divisor;
  });
  return [{ ...sums, data }];
};

export const max: Kernel = (context) => {
  const value = context.input(0);
  const { shape, starts, steps } = reductionOf(context);
  if (steps.length === 0 && starts.length > 0) context.fail('the largest of no elements');
  const data = allocate(value.dtype, starts.length);
  const to = elementsOf(data);
  const from = elementsOf(value.data);
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i] as number;
    let best = from[start] as number;
    for (let j = 1; j < steps.length; j++) {
      const x = from[start + (steps[j] as number)] as number;
      if (x > best || Number.isNaN(x)) best = x;
    }
    to[i] = best;
  }
  return [{ dtype: value.dtype, shape, data }];
};

/** `sum(x²)/2`, summed in float64. */
export const l2Loss: Kernel = (context) => {
  const value = context.input(0);
  const from = value.data as NumberArray;
  let total = 0;
  for (let i = 0; i < from.length; i++) total += (from[i] as number) * (from[i] as number);
  return [fromFloat64(value.dtype, [], Float64Array.of(total / 2))];
};
