import type { AttrDecl, InferContext } from '../op.js';
import { type Dim, formatShape, type Shape } from '../shape.js';
import { dimAt } from './shared.js';
import {
  IMAGE_FORMATS,
  type ImageFormat,
  imageAxes,
  isImageFormat,
  WINDOW_PADDINGS,
  type WindowPadding,
  type WindowSpec,
  windowOutputDim,
  windowReach,
} from './window.js';

export const DATA_FORMAT: AttrDecl = { kind: 'string', default: 'NHWC', oneOf: IMAGE_FORMATS };
export const PADDING: AttrDecl = { kind: 'string', oneOf: WINDOW_PADDINGS };

export function formatOf(context: InferContext): ImageFormat {
  const format = context.attr('data_format', 'string');
  return isImageFormat(format)
    ? format
    : context.fail(`data_format ${JSON.stringify(format)} is unknown`, 'NHWC or NCHW');
}

function paddingOf(context: InferContext): WindowPadding {
  const padding = context.attr('padding', 'string');
  return padding === 'SAME' || padding === 'VALID'
    ? padding
    : context.fail(`padding ${JSON.stringify(padding)} is unknown`, 'SAME or VALID');
}

/** A shape of four dimensions by what they stand for. */
export interface ImageShape {
  readonly batch: Dim;
  readonly height: Dim;
  readonly width: Dim;
  readonly channels: Dim;
}

export function imageShape(
  context: InferContext,
  shape: Shape,
  format: ImageFormat,
  what: string,
): ImageShape {
  if (shape.length !== 4)
    context.fail(`${what} must have 4 dimensions (${format}), but is ${formatShape(shape)}`);
  const at = imageAxes(format);
  return {
    batch: dimAt(shape, 0),
    height: dimAt(shape, at.height),
    width: dimAt(shape, at.width),
    channels: dimAt(shape, at.channels),
  };
}

export function inFormat({ batch, height, width, channels }: ImageShape, format: ImageFormat): Shape {
  return format === 'NHWC' ? [batch, height, width, channels] : [batch, channels, height, width];
}

/** The two numbers of an attribute of four that belong to height and width; the others must be 1. */
function spatial(context: InferContext, name: string, format: ImageFormat): readonly [number, number] {
  const values = context.attr(name, 'ints');
  const at = imageAxes(format);
  const height = values[at.height];
  const width = values[at.width];
  if (values.length !== 4 || height === undefined || width === undefined) {
    return context.fail(`${name} must be four numbers (${format}), not [${values.join(', ')}]`);
  }
  if (values[0] !== 1 || values[at.channels] !== 1) {
    context.fail(`${name} [${values.join(', ')}] must be 1 for batch and channels (${format})`);
  }
  if (height < 1 || width < 1) context.fail(`${name} [${values.join(', ')}] must be 1 or more`);
  return [height, width];
}

/** Height and width that a window of this kernel (`null` where unknown) gives; fails when it fits nowhere. */
export function slide(
  context: InferContext,
  image: ImageShape,
  kernel: readonly [Dim, Dim],
  format: ImageFormat,
): { readonly height: Dim; readonly width: Dim } {
  const strides = spatial(context, 'strides', format);
  const dilations = context.attrs.has('dilations')
    ? spatial(context, 'dilations', format)
    : ([1, 1] as const);
  const padding = paddingOf(context);
  const along = (i: 0 | 1, what: 'height' | 'width'): Dim => {
    const size = kernel[i];
    // With SAME the number of places does not depend on the kernel.
    if (size === null && padding === 'VALID') return null;
    const spec: WindowSpec = { kernel: size ?? 1, stride: strides[i], dilation: dilations[i], padding };
    const output = windowOutputDim(image[what], spec);
    if (output !== null && output < 1 && image[what] !== 0) {
      context.fail(
        `a window of ${windowReach(spec)} does not fit into the ${what} of ${image[what]}`,
        'use padding SAME',
      );
    }
    return output === null ? null : Math.max(output, 0);
  };
  return { height: along(0, 'height'), width: along(1, 'width') };
}

/** Window of a pooling op. */
export function poolKernel(context: InferContext, format: ImageFormat): readonly [number, number] {
  return spatial(context, 'ksize', format);
}
