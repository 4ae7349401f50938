import type { Shape } from '@placewright/ir';
import { type EmitContext, emitter, F32 } from './context.js';
import { channelsFirst, isNchw, setChannelsFirst } from './nn.js';
import { extent, type Window, windowAttrs, windows } from './window.js';

function filterSize(context: EmitContext, shape: Shape): [number, number] {
  const [height, width] = shape;
  if (height === undefined || width === undefined || height === null || width === null) {
    return context.refuse('the size of the filter must be known before the run');
  }
  return [height, width];
}

/** A [height, width, in, out] filter as ONNX has it: [out, in, height, width]. */
function onnxFilter(context: EmitContext, index: number): string {
  return context.derived(index, 'filter', () =>
    context.builder.op('Transpose', [context.input(index)], { perm: [3, 2, 0, 1] }),
  );
}

export const conv2D = emitter('Conv', F32, (context) => {
  const attrs = windowAttrs(
    windows(context, context.type(0).shape, filterSize(context, context.type(1).shape)),
  );
  setChannelsFirst(
    context,
    0,
    context.builder.op('Conv', [channelsFirst(context, 0), onnxFilter(context, 1)], attrs),
  );
});

/** Inputs: sizes, filter, gradient. At every stride the gradient by the input is ONNX's transposed convolution. */
export const conv2DBackpropInput = emitter(
  'ConvTranspose',
  F32,
  (context) => {
    const pair = windows(context, context.output().shape, filterSize(context, context.type(1).shape));
    const attrs = { ...windowAttrs(pair), output_padding: pair.map((window) => unreached(context, window)) };
    const inputs = [channelsFirst(context, 2), onnxFilter(context, 1)];
    setChannelsFirst(context, 0, context.builder.op('ConvTranspose', inputs, attrs));
  },
  1,
);

/** Rows at the end that no window reaches. */
function unreached(context: EmitContext, window: Window): number {
  const { size, out, stride, before, after } = window;
  if (size === null || out === null) {
    return stride === 1 ? 0 : context.refuse('strides need a height and width that are known before the run');
  }
  return size + before + after - ((out - 1) * stride + extent(window));
}

/**
 * Inputs: images, sizes, gradient. Matrix products over all positions of all images: the columns under each offset of
 * the kernel side by side, then one product for each row of the kernel. (Written as a convolution whose kernel is as
 * large as the gradient it takes several times as long.)
 */
export const conv2DBackpropFilter = emitter('Pad, Slice, Gemm', F32, (context) => {
  const { builder } = context;
  const [height, width, inner, outer] = context.output().shape as readonly number[];
  if (height === undefined || width === undefined || inner === undefined || outer === undefined) {
    return context.refuse('the size of the filter must be known before the run');
  }
  const [h, w] = windows(context, context.type(0).shape, [height, width]);
  const padded = padImages(context, channelsLast(context, 0), h, w);
  const columns = slices(context, padded, w, 2);
  const wide = columns.length === 1 ? (columns[0] ?? '') : builder.op('Concat', columns, { axis: 3 });
  const gradient = builder.op('Reshape', [channelsLast(context, 2), builder.ints([-1, outer])]);
  const products = slices(context, wide, h, 1).map((row) =>
    builder.op('Gemm', [builder.op('Reshape', [row, builder.ints([-1, width * inner])]), gradient], {
      transA: 1,
    }),
  );
  const stacked = products.length === 1 ? (products[0] ?? '') : builder.op('Concat', products, { axis: 0 });
  context.set(0, builder.op('Reshape', [stacked, builder.ints([height, width, inner, outer])]));
});

function channelsLast(context: EmitContext, index: number): string {
  return isNchw(context)
    ? context.derived(index, 'channels last', () =>
        context.builder.op('Transpose', [context.input(index)], { perm: [0, 2, 3, 1] }),
      )
    : context.input(index);
}

function padImages(context: EmitContext, images: string, h: Window, w: Window): string {
  if (h.before + h.after + w.before + w.after === 0) return images;
  return context.builder.op('Pad', [
    images,
    context.builder.ints([0, h.before, w.before, 0, 0, h.after, w.after, 0]),
  ]);
}

/** What each offset of the kernel sees along an axis of padded images. */
function slices(context: EmitContext, images: string, window: Window, axis: number): string[] {
  const { builder } = context;
  const { kernel, stride, dilation, out } = window;
  return Array.from({ length: kernel }, (_, offset) => {
    const from = offset * dilation;
    const to = out === null ? fromEnd(context, window, from) : from + (out - 1) * stride + 1;
    return builder.op('Slice', [
      images,
      builder.ints([from]),
      builder.ints([to]),
      builder.ints([axis]),
      builder.ints([stride]),
    ]);
  });
}

/** Where a slice stops when the size is known only at the run, counted from the end. */
function fromEnd(context: EmitContext, window: Window, from: number): number {
  if (window.stride !== 1)
    return context.refuse('strides need a height and width that are known before the run');
  const left = extent(window) - 1 - from;
  return left === 0 ? Number.MAX_SAFE_INTEGER : -left;
}
