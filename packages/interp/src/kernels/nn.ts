import { allocate, sameShape, type TensorValue } from '@placewright/ir';
import { fromFloat64, type NumberArray } from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';
import { formatOf } from './window.js';

/** A tensor seen as [outer, channels, inner]: channels last has inner 1, channels first outer = batch. */
export interface ChannelView {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

export function channelView(context: KernelContext, value: TensorValue): ChannelView {
  const { shape, data } = value;
  const axis = formatOf(context) === 'NCHW' ? 1 : shape.length - 1;
  const channels = shape[axis];
  if (channels === undefined) return context.fail(`a tensor of shape [${shape.join(', ')}] has no channels`);
  const inner = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  return { outer: channels === 0 || inner === 0 ? 0 : data.length / channels / inner, channels, inner };
}

/** Sum of each channel in float64. */
export function channelSums(data: NumberArray, { outer, channels, inner }: ChannelView): Float64Array {
  const sums = new Float64Array(channels);
  let k = 0;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      let total = sums[c] as number;
      for (let i = 0; i < inner; i++) total += data[k++] as number;
      sums[c] = total;
    }
  }
  return sums;
}

export const biasAdd: Kernel = (context) => {
  const value = context.input(0);
  const bias = context.input(1);
  const { outer, channels, inner } = channelView(context, value);
  if (!sameShape(bias.shape, [channels]))
    context.fail(`the bias is [${bias.shape.join(', ')}], not [${channels}]`);
  const data = allocate(value.dtype, value.data.length);
  const from = value.data as NumberArray;
  const biases = bias.data as NumberArray;
  let k = 0;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const b = biases[c] as number;
      for (let i = 0; i < inner; i++, k++) data[k] = (from[k] as number) + b;
    }
  }
  return [{ dtype: value.dtype, shape: value.shape, data }];
};

/** Sum over all but the channels, in float64. */
export const biasAddGrad: Kernel = (context) => {
  const value = context.input(0);
  const view = channelView(context, value);
  return [fromFloat64(value.dtype, [view.channels], channelSums(value.data as NumberArray, view))];
};

interface Rows {
  readonly value: TensorValue;
  readonly data: NumberArray;
  readonly rows: number;
  readonly length: number;
}

function lastRows(context: KernelContext): Rows {
  const value = context.input(0);
  const length = value.shape.at(-1);
  if (length === undefined) return context.fail('a scalar has no classes');
  return {
    value,
    data: value.data as NumberArray,
    rows: length === 0 ? 0 : value.data.length / length,
    length,
  };
}

/** Largest element of a row, and the logarithm of the row's sum of exponentials less that element. */
function logSumExp(
  data: NumberArray,
  start: number,
  length: number,
): readonly [largest: number, logSum: number] {
  let largest = -Infinity;
  for (let j = 0; j < length; j++) largest = Math.max(largest, data[start + j] as number);
  let total = 0;
  for (let j = 0; j < length; j++) total += Math.exp((data[start + j] as number) - largest);
  return [largest, Math.log(total)];
}

/** Along the last dimension; one rounding at the end. */
export const logSoftmax: Kernel = (context) => {
  const { value, data, rows, length } = lastRows(context);
  const out = allocate(value.dtype, data.length);
  for (let start = 0; start < rows * length; start += length) {
    const [largest, logSum] = logSumExp(data, start, length);
    for (let j = start; j < start + length; j++) out[j] = (data[j] as number) - largest - logSum;
  }
  return [{ dtype: value.dtype, shape: value.shape, data: out }];
};

/** Along the last dimension; one rounding at the end. */
export const softmax: Kernel = (context) => {
  const { value, data, rows, length } = lastRows(context);
  const out = allocate(value.dtype, data.length);
  for (let start = 0; start < rows * length; start += length) {
    const [largest, logSum] = logSumExp(data, start, length);
    for (let j = start; j < start + length; j++) out[j] = Math.exp((data[j] as number) - largest - logSum);
  }
  return [{ dtype: value.dtype, shape: value.shape, data: out }];
};

/** Loss of each row, and its gradient `softmax − one-hot` for a loss gradient of 1. */
export const sparseSoftmaxCrossEntropy: Kernel = (context) => {
  const { value, data, rows, length } = lastRows(context);
  const labels = context.input(1);
  if (value.shape.length !== 2 || !sameShape(labels.shape, [rows])) {
    context.fail(`features [${value.shape.join(', ')}] do not go with labels [${labels.shape.join(', ')}]`);
  }
  const loss = new Float64Array(rows);
  const backprop = new Float64Array(data.length);
  for (let row = 0; row < rows; row++) {
    const label = labelAt(context, labels, row, length);
    const start = row * length;
    const [largest, logSum] = logSumExp(data, start, length);
    loss[row] = logSum - ((data[start + label] as number) - largest);
    for (let j = start; j < start + length; j++)
      backprop[j] = Math.exp((data[j] as number) - largest - logSum);
    backprop[start + label] = (backprop[start + label] as number) - 1;
  }
  return [fromFloat64(value.dtype, [rows], loss), fromFloat64(value.dtype, value.shape, backprop)];
};

function labelAt(context: KernelContext, labels: TensorValue, row: number, classes: number): number {
  const label = Number(labels.data[row]);
  if (label < 0 || label >= classes) {
    context.fail(
      `label ${label} of example ${row} is outside of [0, ${classes})`,
      'check the labels that are fed',
    );
  }
  return label;
}
