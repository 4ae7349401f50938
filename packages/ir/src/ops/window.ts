import type { Dim } from '../shape.js';

/** Order of the dimensions of images: batch, height, width, channels, or channels before height. */
export type ImageFormat = 'NHWC' | 'NCHW';
export const IMAGE_FORMATS: readonly ImageFormat[] = ['NHWC', 'NCHW'];
export type WindowPadding = 'SAME' | 'VALID';
export const WINDOW_PADDINGS: readonly WindowPadding[] = ['SAME', 'VALID'];

export function isImageFormat(text: string): text is ImageFormat {
  return text === 'NHWC' || text === 'NCHW';
}

/** Where height, width and channels stand in a shape of four; the batch is always first. */
export interface ImageAxes {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

const AXES: Readonly<Record<ImageFormat, ImageAxes>> = {
  NHWC: { height: 1, width: 2, channels: 3 },
  NCHW: { height: 2, width: 3, channels: 1 },
};

export function imageAxes(format: ImageFormat): ImageAxes {
  return AXES[format];
}

/** How a window moves along one dimension, in elements; output `o` covers inputs `o·stride − before + i·dilation`, `i < kernel`. */
export interface WindowSpec {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: WindowPadding;
}

/** Elements from the first to the last that a window covers, both included. */
export function windowReach({ kernel, dilation }: WindowSpec): number {
  return (kernel - 1) * dilation + 1;
}

/**
 * Number of places of the window along a dimension of `input` elements: `ceil(input / stride)` with SAME,
 * `ceil((input − reach + 1) / stride)` with VALID, which is 0 or below when the window does not fit.
 */
export function windowOutput(input: number, spec: WindowSpec): number {
  return Math.ceil((spec.padding === 'SAME' ? input : input - windowReach(spec) + 1) / spec.stride);
}

/** As `windowOutput`, unknown where the input is. */
export function windowOutputDim(input: Dim, spec: WindowSpec): Dim {
  return input === null ? null : windowOutput(input, spec);
}

/** Elements of padding in front and behind. With SAME the smaller half is in front, as TensorFlow pads. */
export interface WindowPads {
  readonly before: number;
  readonly after: number;
}

export function windowPads(input: number, spec: WindowSpec): WindowPads {
  if (spec.padding === 'VALID') return { before: 0, after: 0 };
  const total = Math.max((windowOutput(input, spec) - 1) * spec.stride + windowReach(spec) - input, 0);
  const before = Math.floor(total / 2);
  return { before, after: total - before };
}
