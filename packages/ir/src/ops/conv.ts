import { FLOATS } from '../dtype.js';
import type { InferContext } from '../op.js';
import { formatShape, type Shape, type TensorType, tensorType } from '../shape.js';
import * as image from './gradients/image.js';
import { DATA_FORMAT, formatOf, type ImageShape, imageShape, inFormat, PADDING, slide } from './image.js';
import {
  checkKind,
  declareOps,
  dimAt,
  INT_LIST,
  int32,
  merged,
  mergedDim,
  pure,
  ranked,
  same,
} from './shared.js';

const CONV_ATTRS = {
  strides: INT_LIST,
  padding: PADDING,
  data_format: DATA_FORMAT,
  dilations: { kind: 'ints', default: [1, 1, 1, 1] },
} as const;

/** Convolution of images with filters [height, width, in, out], and its two gradients. */
export const convOps = declareOps({
  Conv2D: {
    summary: 'images in data_format × filter [h, w, in, out] → images with out channels',
    inputs: [same('input'), same('filter')],
    attrs: CONV_ATTRS,
    effect: pure,
    infer: (context) => {
      const { dtype, shape } = checkKind(context, FLOATS);
      return [tensorType(dtype, convShape(context, shape, context.input(1).shape))];
    },
    gradient: image.conv2D,
  },
  Conv2DBackpropInput: {
    summary: 'gradient of a Conv2D by its input, whose sizes input 0 holds (int32[4])',
    inputs: [int32('input_sizes'), same('filter'), same('out_backprop')],
    attrs: CONV_ATTRS,
    effect: pure,
    infer: backpropInputType,
    gradient: image.conv2DBackpropInput,
  },
  Conv2DBackpropFilter: {
    summary: 'gradient of a Conv2D by its filter, whose sizes input 1 holds (int32[4])',
    inputs: [same('input'), int32('filter_sizes'), same('out_backprop')],
    attrs: CONV_ATTRS,
    effect: pure,
    infer: backpropFilterType,
    gradient: image.conv2DBackpropFilter,
  },
});

/** Shape of the convolution of these two. */
function convShape(context: InferContext, input: Shape, filter: Shape): Shape {
  const format = formatOf(context);
  const image = imageShape(context, input, format, 'the input');
  if (filter.length !== 4) {
    context.fail(`the filter must have 4 dimensions [height, width, in, out], but is ${formatShape(filter)}`);
  }
  if (filter.slice(0, 2).includes(0)) context.fail(`the filter ${formatShape(filter)} has no elements`);
  mergedDim(
    context,
    image.channels,
    dimAt(filter, 2),
    `channels of the input ${formatShape(input)} (${format}) and of the filter ${formatShape(filter)}`,
  );
  const { height, width } = slide(context, image, [dimAt(filter, 0), dimAt(filter, 1)], format);
  return inFormat({ batch: image.batch, height, width, channels: dimAt(filter, 3) }, format);
}

/** Four sizes that an input spells out. */
function sizesAt(context: InferContext, index: number, what: string): Shape {
  const [length = null] = ranked(context, index, 1, what);
  if (length !== null && length !== 4) context.fail(`${what} must hold 4 sizes, not ${length}`);
  const sizes = context.shapeValue(index) ?? [null, null, null, null];
  if (sizes.length !== 4) context.fail(`${what} must hold 4 sizes, not ${sizes.length}`);
  return sizes;
}

function backpropInputType(context: InferContext): readonly TensorType[] {
  const { dtype } = checkKind(context, FLOATS, 1);
  const sizes = sizesAt(context, 0, 'input_sizes');
  const filter = context.input(1).shape;
  const output = merged(
    context,
    convShape(context, sizes, filter),
    context.input(2).shape,
    'the shape that the convolution gives and out_backprop',
  );
  const format = formatOf(context);
  const wanted: ImageShape = imageShape(context, sizes, format, 'the input');
  const batch = wanted.batch ?? dimAt(output, 0);
  const channels = wanted.channels ?? dimAt(filter, 2);
  return [tensorType(dtype, inFormat({ ...wanted, batch, channels }, format))];
}

function backpropFilterType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = checkKind(context, FLOATS);
  const sizes = sizesAt(context, 1, 'filter_sizes');
  const format = formatOf(context);
  const output = merged(
    context,
    convShape(context, shape, sizes),
    context.input(2).shape,
    'the shape that the convolution gives and out_backprop',
  );
  const inputs = sizes[2] ?? imageShape(context, shape, format, 'the input').channels;
  const outputs = sizes[3] ?? imageShape(context, output, format, 'out_backprop').channels;
  return [tensorType(dtype, [dimAt(sizes, 0), dimAt(sizes, 1), inputs, outputs])];
}
