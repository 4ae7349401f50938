import { isStatic, type Shape } from '@placewright/ir';
import {
  channelsLast,
  kernelRows,
  padImages,
  reverseKernelRows,
  reverseTaps,
  setChannelsLast,
  taps,
} from './columns.js';
import { type EmitContext, emitter, F32, summing } from './context.js';
import { channelsFirst, isNchw, setChannelsFirst } from './nn.js';
import { extent, type Window, windowAttrs, windows } from './window.js';

type FilterDims = readonly [height: number, width: number, inner: number, outer: number];

function filterDims(context: EmitContext, shape: Shape): FilterDims {
  const [height, width, inner, outer] = shape;
  if (!isStatic(shape)) return context.refuse('the size of the filter must be known before the run');
  return [height ?? 1, width ?? 1, inner ?? 1, outer ?? 1];
}

/** Windows over `image` of a filter of those dimensions. */
function windowsOf(context: EmitContext, image: Shape, [height, width]: FilterDims): [Window, Window] {
  return windows(context, image, [height, width]);
}

/** A [height, width, in, out] filter as ONNX has it: [out, in, height, width]. */
function onnxFilter(context: EmitContext, index: number): string {
  return context.derived(index, 'filter', () =>
    context.builder.op('Transpose', [context.input(index)], { perm: [3, 2, 0, 1] }),
  );
}

/** Products of matrices are worth their copies from this many columns on… */
const MIN_COLUMNS = 32;
/** … and up to this many elements of an image under a row of the kernel, beyond which they leave the cache. */
const MAX_ELEMENTS = 400_000;

/**
 * Whether a convolution over channels is better written as a product of matrices for each row of the kernel: what the
 * rows see is needed for the gradient by the filter anyway, and images stay with channels last.
 */
function byProducts(context: EmitContext, [h, w]: readonly [Window, Window], channels: number): boolean {
  if (isNchw(context) || h.size === null || h.out === null || w.out === null) return false;
  const columns = w.kernel * channels;
  return columns >= MIN_COLUMNS && (h.size + h.before + h.after) * w.out * columns <= MAX_ELEMENTS;
}

/** The sum of the products of rows with the rows of a filter, and with `addend` where there is one. */
function sumOfProducts(
  context: EmitContext,
  rows: readonly string[],
  filterRows: readonly string[],
  addend?: string,
): string {
  return rows.reduce<string | undefined>((sum, row, i) => {
    const inputs = [row, filterRows[i] ?? ''];
    return context.builder.op('Gemm', sum === undefined ? inputs : [...inputs, sum]);
  }, addend) as string;
}

/** A [height, width, in, out] filter as one [width · in, out] matrix for each of its rows. */
function rowsOf(context: EmitContext, filter: string, [height, width, inner, outer]: FilterDims): string[] {
  const { builder } = context;
  const matrix = builder.op('Reshape', [filter, builder.ints([height * width * inner, outer])]);
  if (height === 1) return [matrix];
  return builder.ops('Split', [matrix], height, { axis: 0, num_outputs: height });
}

/** Writes a convolution, and what is added to each channel, as output 0 of `out`. */
export function convolve(context: EmitContext, out: EmitContext, bias?: string): void {
  const { builder } = context;
  const dims = filterDims(context, context.type(1).shape);
  const [, , inner, outer] = dims;
  const pair = windowsOf(context, context.type(0).shape, dims);
  if (byProducts(context, pair, inner)) {
    const rows = kernelRows(context, 0, inner, pair, 1);
    const flat = sumOfProducts(context, rows, rowsOf(context, context.input(1), dims), bias);
    const shape = builder.ints([-1, pair[0].out ?? 0, pair[1].out ?? 0, outer]);
    out.set(0, builder.op('Reshape', [flat, shape]));
    return;
  }
  const inputs = [channelsFirst(context, 0), onnxFilter(context, 1)];
  const name = builder.op('Conv', bias === undefined ? inputs : [...inputs, bias], windowAttrs(pair));
  setChannelsFirst(out, 0, name);
}

const plainConv = emitter('Gemm or Conv', F32, (context) => convolve(context, context));

/** ONNX Runtime has no float64 convolution: the columns under the kernel side by side, and one product of matrices. */
export const conv2D = summing(plainConv, (context) => {
  const { builder } = context;
  const dims = filterDims(context, context.type(1).shape);
  const [h, w] = windowsOf(context, context.type(0).shape, dims);
  const padded = padImages(context, channelsLast(context, 0), [h.before, h.after], [w.before, w.after]);
  const columns = builder.op('Concat', taps(context, padded, [h, w]), { axis: 3 });
  const filter = builder.op('Reshape', [context.input(1), builder.ints([-1, dims[3]])]);
  setChannelsLast(context, builder.op('MatMul', [columns, filter]));
});

/**
 * Inputs: sizes, filter, gradient. At every stride the gradient by the input is ONNX's transposed convolution; without
 * strides it is also a convolution of the gradient with the filter turned around.
 */
const transposedConv = emitter(
  'Gemm or ConvTranspose',
  F32,
  (context) => {
    const dims = filterDims(context, context.type(1).shape);
    const pair = windowsOf(context, context.output().shape, dims);
    if (pair.every(({ stride }) => stride === 1) && byProducts(context, pair, dims[3])) {
      convolveBack(context, pair, dims);
      return;
    }
    const attrs = { ...windowAttrs(pair), output_padding: pair.map((window) => unreached(context, window)) };
    const inputs = [channelsFirst(context, 2), onnxFilter(context, 1)];
    setChannelsFirst(context, 0, context.builder.op('ConvTranspose', inputs, attrs));
  },
  1,
);

function convolveBack(
  context: EmitContext,
  pair: readonly [Window, Window],
  [height, width, inner, outer]: FilterDims,
): void {
  const { builder } = context;
  const turned = builder.op('Transpose', [context.input(1)], { perm: [0, 1, 3, 2] });
  const filterRows = rowsOf(context, turned, [height, width, outer, inner]);
  const flat = sumOfProducts(context, reverseKernelRows(context, 2, outer, pair), filterRows);
  const shape = builder.ints([-1, pair[0].size ?? 0, pair[1].size ?? 0, inner]);
  context.set(0, builder.op('Reshape', [flat, shape]));
}

/** As for `conv2D`, over the gradient seen from the images. */
export const conv2DBackpropInput = summing(transposedConv, (context) => {
  const { builder } = context;
  const dims = filterDims(context, context.type(1).shape);
  const [, , inner, outer] = dims;
  const pair = windowsOf(context, context.output().shape, dims);
  const seen = reverseTaps(context, channelsLast(context, 2), outer, pair);
  const turned = builder.op('Transpose', [context.input(1)], { perm: [0, 1, 3, 2] });
  const filter = builder.op('Reshape', [turned, builder.ints([-1, inner])]);
  setChannelsLast(context, builder.op('MatMul', [builder.op('Concat', seen, { axis: 3 }), filter]));
});

/** Rows at the end that no window reaches. */
function unreached(context: EmitContext, window: Window): number {
  const { size, out, stride, before, after } = window;
  if (size === null || out === null) {
    return stride === 1 ? 0 : context.refuse('strides need a height and width that are known before the run');
  }
  return size + before + after - ((out - 1) * stride + extent(window));
}

/**
 * Inputs: images, sizes, gradient. A product of matrices over all positions of all images for each row of the kernel.
 * (Written as a convolution whose kernel is as large as the gradient it takes several times as long.)
 */
const productsByRow = emitter('Gemm', F32, (context) => {
  const { builder } = context;
  const dims = filterDims(context, context.output().shape);
  const [, , inner, outer] = dims;
  const pair = windowsOf(context, context.type(0).shape, dims);
  const gradient = builder.op('Reshape', [channelsLast(context, 2), builder.ints([-1, outer])]);
  const products = kernelRows(context, 0, inner, pair, -3).map((row) =>
    builder.op('Gemm', [row, gradient], { transA: 1 }),
  );
  const stacked = products.length === 1 ? (products[0] ?? '') : builder.op('Concat', products, { axis: 0 });
  context.set(0, builder.op('Reshape', [stacked, builder.ints(dims)]));
});

export const conv2DBackpropFilter = summing(productsByRow);
