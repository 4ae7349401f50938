import type { EmitContext } from './context.js';
import { isNchw } from './nn.js';

/** One spatial dimension of a window op. Sizes are in elements; null where known only at the run. */
export interface Window {
  readonly size: number | null;
  readonly out: number | null;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Extent of a dilated kernel. */
export function extent({ kernel, dilation }: Pick<Window, 'kernel' | 'dilation'>): number {
  return (kernel - 1) * dilation + 1;
}

/** Height and width of a list of four in the order of the node's format. */
export function spatial<T>(context: EmitContext, four: readonly T[]): [T | undefined, T | undefined] {
  return isNchw(context) ? [four[2], four[3]] : [four[1], four[2]];
}

/**
 * Height and width windows of a node: `image` is the shape of what the window slides over, `kernel` its size.
 * Refuses a SAME padding that depends on a size known only at the run.
 */
export function windows(
  context: EmitContext,
  image: readonly (number | null)[],
  kernel: readonly [number, number],
): [Window, Window] {
  const sizes = spatial(context, image);
  const strides = spatial(context, context.attr('strides', 'ints'));
  const dilations = context.node.attrs.has('dilations')
    ? spatial(context, context.attr('dilations', 'ints'))
    : [1, 1];
  const same = context.attr('padding', 'string') === 'SAME';
  const make = (axis: 0 | 1): Window =>
    windowOf(context, same, sizes[axis] ?? null, kernel[axis], strides[axis] ?? 1, dilations[axis] ?? 1);
  return [make(0), make(1)];
}

function windowOf(
  context: EmitContext,
  same: boolean,
  size: number | null,
  kernel: number,
  stride: number,
  dilation: number,
): Window {
  const reach = extent({ kernel, dilation });
  const base = { size, kernel, stride, dilation };
  if (!same) {
    const out = size === null ? null : Math.floor((size - reach) / stride) + 1;
    return { ...base, out, before: 0, after: 0 };
  }
  if (size === null && stride !== 1) {
    return context.refuse('SAME padding with strides needs a height and width that are known before the run');
  }
  const out = size === null ? null : Math.ceil(size / stride);
  const total = size === null || out === null ? reach - 1 : Math.max((out - 1) * stride + reach - size, 0);
  const before = Math.floor(total / 2);
  return { ...base, out, before, after: total - before };
}

/** ONNX's attributes of a window op. */
export function windowAttrs([h, w]: readonly [Window, Window]): {
  kernel_shape: number[];
  strides: number[];
  dilations: number[];
  pads: number[];
} {
  return {
    kernel_shape: [h.kernel, w.kernel],
    strides: [h.stride, w.stride],
    dilations: [h.dilation, w.dilation],
    pads: [h.before, w.before, h.after, w.after],
  };
}
