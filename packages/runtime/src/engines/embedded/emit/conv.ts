import { isStatic, type Shape } from '@placewright/ir';
import {
  added,
  channelsLast,
  channelsOutside,
  fold,
  joined,
  padImages,
  setChannelsLast,
  slices,
} from './columns.js';
import { type EmitContext, emitter, F32, summing } from './context.js';
import { channelsFirst, setChannelsFirst } from './nn.js';
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

/** Writes a convolution, and what is added to each channel, as output 0 of `out`. */
export function convolve(context: EmitContext, out: EmitContext, bias?: string): void {
  const pair = windowsOf(context, context.type(0).shape, filterDims(context, context.type(1).shape));
  const inputs = [channelsFirst(context, 0), onnxFilter(context, 1)];
  if (bias !== undefined) inputs.push(bias);
  setChannelsFirst(out, 0, context.builder.op('Conv', inputs, windowAttrs(pair)));
}

const plainConv = emitter('Conv', F32, (context) => convolve(context, context));

/**
 * ONNX Runtime has no float64 convolution: for each row of the kernel, the columns under it side by side, and a product
 * of matrices.
 */
export const conv2D = summing(plainConv, (context) => {
  const dims = filterDims(context, context.type(1).shape);
  const [height, width, inner, outer] = dims;
  const [h, w] = windowsOf(context, context.type(0).shape, dims);
  const padded = padImages(context, channelsLast(context, 0), [h.before, h.after], [w.before, w.after]);
  const columns = joined(context, slices(context, padded, w, 2), 3);
  const filters = matrices(context, context.input(1), height, [width * inner, outer]);
  const products = slices(context, columns, h, 1).map((row, i) =>
    context.builder.op('MatMul', [row, filters[i] ?? '']),
  );
  setChannelsLast(context, added(context, products));
});

/** Each row of a filter whose first dimension is the kernel's height, as a matrix. */
function matrices(context: EmitContext, filter: string, height: number, dims: readonly number[]): string[] {
  const { builder } = context;
  return parted(context, filter, height, 0).map((row) => builder.op('Reshape', [row, builder.ints(dims)]));
}

function parted(context: EmitContext, name: string, count: number, axis: number): string[] {
  return count === 1 ? [name] : context.builder.ops('Split', [name], count, { axis, num_outputs: count });
}

/** Inputs: sizes, filter, gradient. At every stride the gradient by the input is ONNX's transposed convolution. */
const transposedConv = emitter(
  'ConvTranspose',
  F32,
  (context) => {
    const dims = filterDims(context, context.type(1).shape);
    const pair = windowsOf(context, context.output().shape, dims);
    const attrs = { ...windowAttrs(pair), output_padding: pair.map((window) => unreached(context, window)) };
    const inputs = [channelsFirst(context, 2), onnxFilter(context, 1)];
    setChannelsFirst(context, 0, context.builder.op('ConvTranspose', inputs, attrs));
  },
  1,
);

/** As for `conv2D`, the other way: what each row of the kernel gives back to the columns under it, added up. */
export const conv2DBackpropInput = summing(transposedConv, (context) => {
  const { builder } = context;
  const dims = filterDims(context, context.type(1).shape);
  const [height, width, inner, outer] = dims;
  const [h, w] = windowsOf(context, context.output().shape, dims);
  const gradient = channelsLast(context, 2);
  const turned = builder.op('Transpose', [context.input(1)], { perm: [0, 3, 1, 2] });
  const rows = matrices(context, turned, height, [outer, width * inner]).map((filter) => {
    const columns = builder.op('MatMul', [gradient, filter]);
    return fold(context, parted(context, columns, width, 3), w, 2, inner);
  });
  setChannelsLast(context, fold(context, rows, h, 1, inner));
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
 * Inputs: images, sizes, gradient. Products of matrices over all positions of all images: the columns under each offset
 * of the kernel side by side, then one product for each row of the kernel. (Written as a convolution whose kernel is as
 * large as the gradient it takes several times as long. The other two ops as such products take as long as ONNX
 * Runtime's own where one device computes, and longer where several share the memory.)
 */
const productsByRow = emitter('Pad, Slice, MatMul or Gemm', F32, (context) => {
  const { builder } = context;
  const dims = filterDims(context, context.output().shape);
  const pair = windowsOf(context, context.type(0).shape, dims);
  const gradient = builder.op('Reshape', [channelsLast(context, 2), builder.ints([-1, dims[3]])]);
  const slides = pair.every(({ stride }) => stride === 1) && pair.some(({ kernel }) => kernel > 1);
  const products = slides
    ? seenByChannel(context, dims, pair).map((seen) => builder.op('MatMul', [seen, gradient]))
    : seenByPlace(context, dims, pair).map((seen) => builder.op('Gemm', [seen, gradient], { transA: 1 }));
  context.set(0, builder.op('Reshape', [joined(context, products, 0), builder.ints(dims)]));
});

/** For each row of the kernel what it sees: [positions, kernel width · channels]. */
function seenByPlace(
  context: EmitContext,
  [, width, inner]: FilterDims,
  [h, w]: readonly [Window, Window],
): string[] {
  const { builder } = context;
  const padded = padImages(context, channelsLast(context, 0), [h.before, h.after], [w.before, w.after]);
  const columns = joined(context, slices(context, padded, w, 2), 3);
  return slices(context, columns, h, 1).map((row) =>
    builder.op('Reshape', [row, builder.ints([-1, width * inner])]),
  );
}

/** Rows of the kernel of up to this many elements and channels in all are seen at once. */
const FEW = 64;

/**
 * The same the other way round: [kernel width · channels, positions]. It is quicker to multiply, and as quick to make
 * where neighbours in an image stay neighbours: without strides.
 */
function seenByChannel(
  context: EmitContext,
  [height, width, inner]: FilterDims,
  [h, w]: readonly [Window, Window],
): string[] {
  const { builder } = context;
  const margins = [
    [h.before, h.after],
    [w.before, w.after],
  ] as const;
  const padded = padImages(context, channelsOutside(context, 0), ...margins, 2);
  const columns = joined(context, slices(context, padded, w, 3), 0);
  const rows = slices(context, columns, h, 2);
  const together = height * width * inner <= FEW;
  return (together ? [joined(context, rows, 0)] : rows).map((seen) =>
    builder.op('Reshape', [seen, builder.ints([(together ? height : 1) * width * inner, -1])]),
  );
}

export const conv2DBackpropFilter = summing(productsByRow);
