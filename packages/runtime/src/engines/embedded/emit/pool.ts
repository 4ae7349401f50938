import { tensorOf } from '@placewright/ir';
import { added, channelsLast, fold, joined, padImages, setChannelsLast, slices } from './columns.js';
import { type EmitContext, emitter, F32, summing } from './context.js';
import { channelsFirst, isNchw, setChannelsFirst } from './nn.js';
import { spatial, type Window, windowAttrs, windows } from './window.js';

/** Windows of up to this many elements are taken apart one by one. */
const SMALL_WINDOW = 16;

function kernelSize(context: EmitContext): [number, number] {
  const [height, width] = spatial(context, context.attr('ksize', 'ints'));
  return [height ?? 1, width ?? 1];
}

export const maxPool = emitter('MaxPool', F32, (context) => {
  const attrs = windowAttrs(windows(context, context.type(0).shape, kernelSize(context)));
  setChannelsFirst(context, 0, context.builder.op('MaxPool', [channelsFirst(context, 0)], attrs));
});

/** Writes the gradient by the images. Inputs: images, their pooled form, gradient. */
export function spreadToMaxima(context: EmitContext): void {
  const pair = windows(context, context.type(0).shape, kernelSize(context));
  const channels = context.type(0).shape[3] ?? null;
  if (isTiling(pair) && !isNchw(context) && channels !== null) byComparison(context, pair, channels);
  else byIndices(context, pair);
}

export const maxPoolGrad = summing(
  emitter('Equal, Where, or MaxPool with indices, ScatterElements', F32, spreadToMaxima),
);

/** Whether the windows cover the images exactly, without overlap. */
function isTiling(pair: readonly Window[]): boolean {
  const exact = pair.every(
    ({ size, kernel, stride, before, after }) =>
      kernel === stride && before + after === 0 && size !== null && size % kernel === 0,
  );
  return exact && pair.reduce((product, { kernel }) => product * kernel, 1) <= SMALL_WINDOW;
}

/**
 * The images split into one tensor for each position in the window. The gradient goes to the first position that equals
 * the maximum, and what is left of it goes on to the next one.
 */
function byComparison(context: EmitContext, [h, w]: readonly [Window, Window], channels: number): void {
  const { builder } = context;
  const across = (w.size ?? 0) / w.kernel;
  const zero = builder.scalar(context.type(0).dtype, 0);
  const blocks = builder.op('Reshape', [
    context.input(0),
    builder.ints([-1, h.kernel, across, w.kernel * channels]),
  ]);
  const [maxima = '', gradient = ''] = [1, 2].map((index) =>
    builder.op('Reshape', [context.input(index), builder.ints([-1, 1, across, channels])]),
  );
  let left = gradient;
  const count = h.kernel * w.kernel;
  const parts = cells(context, blocks, h.kernel, w.kernel).map((cell, i) => {
    // Only a NaN equals no maximum; then the last position takes what is left.
    if (i === count - 1) return left;
    const here = builder.op('Equal', [cell, maxima]);
    const part = builder.op('Where', [here, left, zero]);
    left = builder.op('Where', [here, zero, left]);
    return part;
  });
  const rows = Array.from({ length: h.kernel }, (_, row) =>
    joined(context, parts.slice(row * w.kernel, (row + 1) * w.kernel), 3),
  );
  const whole = joined(context, rows, 1);
  context.set(0, builder.op('Reshape', [whole, builder.ints([-1, h.size ?? 0, w.size ?? 0, channels])]));
}

/** The positions of the windows in row-major order. */
function cells(context: EmitContext, blocks: string, height: number, width: number): string[] {
  const { builder } = context;
  const parts = (name: string, count: number, axis: number): string[] =>
    count === 1 ? [name] : builder.ops('Split', [name], count, { axis, num_outputs: count });
  return parts(blocks, height, 1).flatMap((row) => parts(row, width, 3));
}

/** ONNX Runtime's indices are of the first maximum, counted over the whole tensor with channels first. */
function byIndices(context: EmitContext, pair: readonly [Window, Window]): void {
  const { builder } = context;
  const images = channelsFirst(context, 0);
  const { strides, kernel_shape, pads, dilations } = windowAttrs(pair);
  const [, indices = ''] = builder.ops('MaxPool', [images], 2, { kernel_shape, strides, pads, dilations });
  const flat = builder.ints([-1]);
  // A window of nothing but NaN has no maximum, and an index below zero.
  const targets = builder.op('Max', [builder.op('Reshape', [indices, flat]), builder.scalar('int64', 0)]);
  const gradient = builder.op('Reshape', [channelsFirst(context, 2), flat]);
  const shape = builder.op('Shape', [images]);
  const total = builder.op('Reshape', [builder.op('Size', [images]), builder.ints([1])]);
  const zeros = builder.op('Expand', [builder.scalar(context.type(0).dtype, 0), total]);
  const scattered = builder.op('ScatterElements', [zeros, targets, gradient], { axis: 0, reduction: 'add' });
  setChannelsFirst(context, 0, builder.op('Reshape', [scattered, shape]));
}

const plainAverage = emitter('AveragePool', F32, (context) => {
  const { kernel_shape, strides, pads } = windowAttrs(
    windows(context, context.type(0).shape, kernelSize(context)),
  );
  const attrs = { kernel_shape, strides, pads, count_include_pad: 0 };
  setChannelsFirst(context, 0, context.builder.op('AveragePool', [channelsFirst(context, 0)], attrs));
});

/** ONNX Runtime has no float64 averages: sums of rows, then of these, of images and of ones. */
export const avgPool = summing(plainAverage, (context) => {
  const { builder } = context;
  const images = channelsLast(context, 0);
  const ones = builder.op('Expand', [builder.scalar('float64', 1), builder.op('Shape', [images])]);
  const [h, w] = windows(context, context.type(0).shape, kernelSize(context));
  const [total = '', count = ''] = [images, ones].map((each) => {
    const padded = padImages(context, each, [h.before, h.after], [w.before, w.after]);
    const rows = added(context, slices(context, padded, w, 2));
    return added(context, slices(context, rows, h, 1));
  });
  setChannelsLast(context, builder.op('Div', [total, count]));
});

/**
 * Inputs: shape of the images, gradient. Each gradient, divided by the number of valid cells of its window, is added to
 * these: a transposed convolution with ones of all channels apart, as images of one channel.
 */
const spreadAverage = emitter(
  'Div, ConvTranspose',
  F32,
  (context) => {
    const { builder } = context;
    const pair = windows(context, context.output().shape, kernelSize(context));
    const { h, w, channels } = sizesOf(context, pair);
    const counts = builder.constant(tensorOf('float32', [1, 1, h.out, w.out], cellCounts(pair)));
    const shares = builder.op('Div', [channelsFirst(context, 1), counts]);
    const alone = builder.op('Reshape', [shares, builder.ints([-1, 1, h.out, w.out])]);
    const ones = builder.constant(
      tensorOf('float32', [1, 1, h.kernel, w.kernel], new Array<number>(h.kernel * w.kernel).fill(1)),
    );
    const { kernel_shape, strides, pads } = windowAttrs(pair);
    const output_padding = [h, w].map(({ size, out, kernel, stride, before, after }) =>
      Math.max(size + before + after - ((out - 1) * stride + kernel), 0),
    );
    const spread = builder.op('ConvTranspose', [alone, ones], {
      kernel_shape,
      strides,
      pads,
      output_padding,
    });
    setChannelsFirst(
      context,
      0,
      builder.op('Reshape', [spread, builder.ints([-1, channels, h.size, w.size])]),
    );
  },
  1,
);

/** The shares spread over rows, then these over columns. */
export const avgPoolGrad = summing(spreadAverage, (context) => {
  const { builder } = context;
  const pair = windows(context, context.output().shape, kernelSize(context));
  const { h, w, channels } = sizesOf(context, pair);
  const counts = builder.constant(tensorOf('float64', [1, h.out, w.out, 1], cellCounts(pair)));
  const shares = builder.op('Div', [channelsLast(context, 1), counts]);
  const rows = fold(context, new Array<string>(w.kernel).fill(shares), w, 2, channels);
  setChannelsLast(context, fold(context, new Array<string>(h.kernel).fill(rows), h, 1, channels));
});

type SizedWindow = Window & { readonly size: number; readonly out: number };

function sizesOf(
  context: EmitContext,
  [h, w]: readonly [Window, Window],
): { h: SizedWindow; w: SizedWindow; channels: number } {
  const channels = context.output().shape[isNchw(context) ? 1 : 3] ?? null;
  if (channels === null || h.size === null || w.size === null || h.out === null || w.out === null) {
    return context.refuse('the shape of the images must be known before the run, but for the batch');
  }
  return {
    h: { ...h, size: h.size, out: h.out },
    w: { ...w, size: w.size, out: w.out },
    channels,
  };
}

/** Valid cells of each window, row-major. */
function cellCounts([h, w]: readonly [Window, Window]): number[] {
  const along = ({ size, out, kernel, stride, before }: Window): number[] =>
    Array.from({ length: out ?? 0 }, (_, i) => {
      const from = i * stride - before;
      return Math.min(from + kernel, size ?? 0) - Math.max(from, 0);
    });
  const widths = along(w);
  return along(h).flatMap((height) => widths.map((width) => height * width));
}
