import { FLOATS } from '../dtype.js';
import type { InferContext } from '../op.js';
import { type Shape, type TensorType, tensorType } from '../shape.js';
import * as image from './gradients/image.js';
import { DATA_FORMAT, formatOf, imageShape, inFormat, PADDING, poolKernel, slide } from './image.js';
import {
  checkKind,
  declareOps,
  dimAt,
  float,
  INT_LIST,
  int32,
  merged,
  pure,
  ranked,
  same,
} from './shared.js';

const POOL_ATTRS = {
  ksize: INT_LIST,
  strides: INT_LIST,
  padding: PADDING,
  data_format: DATA_FORMAT,
} as const;

/** Pooling of images, and its gradients. */
export const poolOps = declareOps({
  MaxPool: {
    summary: 'the maximum of each window; padding counts as −∞',
    inputs: [float('input')],
    attrs: POOL_ATTRS,
    effect: pure,
    infer: poolType,
    gradient: image.maxPool,
  },
  MaxPoolGrad: {
    summary:
      'grad at the first maximum (row by row) of each window of orig_input, added up where windows overlap',
    inputs: [same('orig_input'), same('orig_output'), same('grad')],
    attrs: POOL_ATTRS,
    effect: pure,
    infer: maxPoolGradType,
    gradient: 'none',
  },
  AvgPool: {
    summary: 'the mean of each window, over the cells inside of the image',
    inputs: [float('value')],
    attrs: POOL_ATTRS,
    effect: pure,
    infer: poolType,
    gradient: image.avgPool,
  },
  AvgPoolGrad: {
    summary: 'gradient of an AvgPool by its input, whose shape input 0 holds (int32[4])',
    inputs: [int32('orig_input_shape'), float('grad')],
    attrs: POOL_ATTRS,
    effect: pure,
    infer: avgPoolGradType,
    gradient: image.avgPoolGrad,
  },
});

function poolShape(context: InferContext, shape: Shape): Shape {
  const format = formatOf(context);
  const image = imageShape(context, shape, format, 'the input');
  return inFormat({ ...image, ...slide(context, image, poolKernel(context, format), format) }, format);
}

function poolType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = context.input(0);
  return [tensorType(dtype, poolShape(context, shape))];
}

function maxPoolGradType(context: InferContext): readonly TensorType[] {
  const type = checkKind(context, FLOATS);
  const pooled = poolShape(context, type.shape);
  merged(context, pooled, context.input(1).shape, 'the shape that pooling gives and orig_output');
  merged(context, pooled, context.input(2).shape, 'the shape that pooling gives and grad');
  return [type];
}

function avgPoolGradType(context: InferContext): readonly TensorType[] {
  const [length = null] = ranked(context, 0, 1, 'orig_input_shape');
  if (length !== null && length !== 4) context.fail(`orig_input_shape must hold 4 sizes, not ${length}`);
  const shape = context.shapeValue(0) ?? [null, null, null, null];
  const grad = context.input(1);
  const pooled = merged(
    context,
    poolShape(context, shape),
    grad.shape,
    'the shape that pooling gives and grad',
  );
  const format = formatOf(context);
  const image = imageShape(context, shape, format, 'orig_input_shape');
  const channels = image.channels ?? imageShape(context, pooled, format, 'grad').channels;
  return [
    tensorType(grad.dtype, inFormat({ ...image, batch: image.batch ?? dimAt(pooled, 0), channels }, format)),
  ];
}
