import type { EmitContext } from './context.js';
import { channelsFirst, isNchw } from './nn.js';
import { extent, type Window } from './window.js';

// What window ops are made of where ONNX has no op for them: images with channels last, and slices of them.

/** An input with channels last, whatever the node's format. */
export function channelsLast(context: EmitContext, index: number): string {
  return isNchw(context)
    ? context.derived(index, 'channels last', () =>
        context.builder.op('Transpose', [context.input(index)], { perm: [0, 2, 3, 1] }),
      )
    : context.input(index);
}

/** An input as [channels, batch, height, width], whatever the node's format. */
export function channelsOutside(context: EmitContext, index: number): string {
  const first = isNchw(context) || context.isImage(index);
  const name = first ? channelsFirst(context, index) : context.input(index);
  return context.builder.op('Transpose', [name], { perm: first ? [1, 0, 2, 3] : [3, 0, 1, 2] });
}

/** Sets output 0 from its form with channels last, whatever the node's format. */
export function setChannelsLast(context: EmitContext, images: string): void {
  context.set(
    0,
    isNchw(context) ? context.builder.op('Transpose', [images], { perm: [0, 3, 1, 2] }) : images,
  );
}

/** Rows and columns of zeros around images, or taken away where negative: before, after. */
type Margins = readonly [before: number, after: number];

/** Pads images whose height is axis 1, or 2, and whose width is the next one. */
export function padImages(
  context: EmitContext,
  images: string,
  h: Margins,
  w: Margins,
  axis: 1 | 2 = 1,
): string {
  if ([...h, ...w].every((margin) => margin === 0)) return images;
  const around = (side: 0 | 1): number[] =>
    axis === 1 ? [0, h[side], w[side], 0] : [0, 0, h[side], w[side]];
  return context.builder.op('Pad', [images, context.builder.ints([...around(0), ...around(1)])]);
}

/** One tensor of several along an axis. */
export function joined(context: EmitContext, parts: readonly string[], axis: number): string {
  return parts.length === 1 ? (parts[0] ?? '') : context.builder.op('Concat', parts, { axis });
}

/** What each offset of the kernel sees along an axis of padded images. */
export function slices(context: EmitContext, images: string, window: Window, axis: number): string[] {
  return Array.from({ length: window.kernel }, (_, offset) => slice(context, images, window, axis, offset));
}

function slice(context: EmitContext, images: string, window: Window, axis: number, offset: number): string {
  const { builder } = context;
  const { kernel, stride, dilation, out } = window;
  if (kernel === 1 && stride === 1) return images;
  const from = offset * dilation;
  const to = out === null ? fromEnd(context, window, from) : from + (out - 1) * stride + 1;
  const bounds = [[from], [to], [axis], [stride]].map((values) => builder.ints(values));
  return builder.op('Slice', [images, ...bounds]);
}

/** Where a slice stops when the size is known only at the run, counted from the end. */
function fromEnd(context: EmitContext, window: Window, from: number): number {
  if (window.stride !== 1)
    return context.refuse('strides need a height and width that are known before the run');
  const left = extent(window) - 1 - from;
  return left === 0 ? Number.MAX_SAFE_INTEGER : -left;
}

/** The window of the same kernel over the outputs that ends at each place of an image. */
function everyPlace(window: Window): Window {
  return { ...window, stride: 1, out: window.size };
}

/** What each element of the kernel sees of padded images, row-major. */
export function taps(context: EmitContext, padded: string, [h, w]: readonly [Window, Window]): string[] {
  return slices(context, padded, h, 1).flatMap((rows) => slices(context, rows, w, 2));
}

/**
 * For each element of the kernel, row-major, what the outputs give to the images through it: the outputs spread by the
 * strides, with zeros between and around, seen from every place of an image.
 */
export function reverseTaps(
  context: EmitContext,
  outputs: string,
  channels: number,
  [h, w]: readonly [Window, Window],
): string[] {
  const spread = spreadOut(context, outputs, channels, h, w);
  const padded = padImages(context, spread, reverseMargins(context, h), reverseMargins(context, w));
  return taps(context, padded, [everyPlace(h), everyPlace(w)]).reverse();
}

/** [batch, height, width, channels] with `stride − 1` rows and columns of zeros after each. */
function spreadOut(context: EmitContext, images: string, channels: number, h: Window, w: Window): string {
  if (h.stride === 1 && w.stride === 1) return images;
  if (h.out === null || w.out === null)
    return context.refuse('strides need a height and width that are known before the run');
  const { builder } = context;
  const apart = builder.op('Reshape', [images, builder.ints([-1, h.out, 1, w.out, 1, channels])]);
  const after = [0, 0, h.stride - 1, 0, w.stride - 1, 0];
  const filled = builder.op('Pad', [apart, builder.ints([0, 0, 0, 0, 0, 0, ...after])]);
  return builder.op('Reshape', [filled, builder.ints([-1, h.out * h.stride, w.out * w.stride, channels])]);
}

/** Margins of spread outputs such that the last element of the kernel sees one for each place of the image. */
function reverseMargins(context: EmitContext, window: Window): Margins {
  const { size, out, stride, before, after } = window;
  const reach = extent(window) - 1;
  if (size !== null && out !== null) return [reach - before, size + before - out * stride];
  if (stride !== 1) return context.refuse('strides need a height and width that are known before the run');
  return [reach - before, reach - after];
}
