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
const NONE: Margins = [0, 0];

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

/** The sum of tensors, one after the other. */
export function added(context: EmitContext, terms: readonly string[]): string {
  return terms.reduce((sum, term) => context.builder.op('Add', [sum, term]));
}

/**
 * The way back from `slices`: images of `channels` to which each offset of the kernel along an axis (1 or 2) has added
 * its part, a tensor with one place for each output there. Strides leave places between the outputs, which belong to
 * other offsets: those that come to lie in the same places are added up, and then all are put side by side.
 */
export function fold(
  context: EmitContext,
  parts: readonly string[],
  window: Window,
  axis: 1 | 2,
  channels: number,
): string {
  const { stride, dilation, before } = window;
  const farthest = Math.floor((extent(window) - 1) / stride);
  const phases = Array.from({ length: stride }, (): string[] => []);
  parts.forEach((part, i) => {
    const steps = Math.floor((i * dilation) / stride);
    phases[(i * dilation) % stride]?.push(padAxis(context, part, axis, [steps, farthest - steps]));
  });
  const apart = phases.map((terms) => (terms.length === 0 ? null : added(context, terms)));
  return padAxis(context, sideBySide(context, apart, window, axis, channels), axis, [
    -before,
    behind(context, window, farthest),
  ]);
}

/** Every first, every second, … place along an axis as one tensor; null stands for zeros. */
function sideBySide(
  context: EmitContext,
  phases: readonly (string | null)[],
  window: Window,
  axis: 1 | 2,
  channels: number,
): string {
  const { builder } = context;
  const [first] = phases;
  if (typeof first !== 'string' || phases.length === 1) return first ?? '';
  const zeros = () =>
    builder.op('Expand', [builder.scalar(context.output().dtype, 0), builder.op('Shape', [first])]);
  const beside = joined(
    context,
    phases.map((phase) => phase ?? zeros()),
    axis + 1,
  );
  const length =
    (known(context, window.out) + Math.floor((extent(window) - 1) / window.stride)) * window.stride;
  const dims = axis === 1 ? [0, length, -1, channels] : [0, 0, length, channels];
  return builder.op('Reshape', [beside, builder.ints(dims)]);
}

/** Places behind the last one of the images, less than none where what was put side by side goes on. */
function behind(
  context: EmitContext,
  { size, out, stride, before, after }: Window,
  farthest: number,
): number {
  if (size === null && stride === 1) return -after;
  return known(context, size) + before - (known(context, out) + farthest) * stride;
}

function known(context: EmitContext, length: number | null): number {
  return length ?? context.refuse('strides need a height and width that are known before the run');
}

function padAxis(context: EmitContext, images: string, axis: 1 | 2, margins: Margins): string {
  return axis === 1 ? padImages(context, images, margins, NONE) : padImages(context, images, NONE, margins);
}
