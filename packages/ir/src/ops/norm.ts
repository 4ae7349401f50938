import { FLOATS } from '../dtype.js';
import type { InferContext, InputDecl } from '../op.js';
import { type Dim, type TensorType, tensorType } from '../shape.js';
import { fusedBatchNorm } from './gradients/norm.js';
import { DATA_FORMAT, formatOf, type ImageShape, imageShape, inFormat } from './image.js';
import { checkKind, declareOps, floatAttr, merged, mergedDim, pure, ranked, same } from './shared.js';

const NORM_ATTRS = {
  epsilon: floatAttr(1e-4),
  is_training: { kind: 'bool', default: true },
  data_format: DATA_FORMAT,
} as const;

/** One number a channel, in a type of its own: statistics stay float32 beside half precision. */
const perChannel = (name: string): InputDecl => ({ name, dtype: 'U' });

/** Batch normalisation of images, and its gradient. */
export const normOps = declareOps({
  FusedBatchNormV3: {
    summary:
      'scale·(x − mean)/√(variance + epsilon) + offset by channel, with the moments of the batch in training; ' +
      'gives y, mean, unbiased variance, mean, biased variance',
    inputs: [same('x'), ...['scale', 'offset', 'mean', 'variance'].map(perChannel)],
    attrs: NORM_ATTRS,
    effect: pure,
    infer: normType,
    gradient: fusedBatchNorm,
  },
  FusedBatchNormGradV3: {
    summary: 'gradients of a FusedBatchNormV3 by x, scale and offset',
    inputs: [
      same('y_backprop'),
      same('x'),
      ...['scale', 'reserve_space_1', 'reserve_space_2'].map(perChannel),
    ],
    attrs: NORM_ATTRS,
    effect: pure,
    infer: normGradType,
    gradient: 'none',
  },
});

/** `dim` merged with the length of the vector at an input. */
function channelsWith(context: InferContext, index: number, what: string, dim: Dim): Dim {
  const [length = null] = ranked(context, index, 1, what);
  return mergedDim(context, dim, length, `channels of x and the length of ${what}`);
}

function normType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = checkKind(context, FLOATS);
  const vectorType = checkKind(context, FLOATS, 1).dtype;
  const format = formatOf(context);
  const image: ImageShape = imageShape(context, shape, format, 'x');
  let channels = channelsWith(context, 1, 'scale', image.channels);
  channels = channelsWith(context, 2, 'offset', channels);
  for (const [index, what] of [
    [3, 'mean'],
    [4, 'variance'],
  ] as const) {
    const [length = null] = ranked(context, index, 1, what);
    // In training the given moments are not read, and TensorFlow's own graphs give empty ones.
    if (context.attr('is_training', 'bool') && length === 0) continue;
    channels = channelsWith(context, index, what, channels);
  }
  const vector = tensorType(vectorType, [channels]);
  return [tensorType(dtype, inFormat({ ...image, channels }, format)), vector, vector, vector, vector];
}

function normGradType(context: InferContext): readonly TensorType[] {
  const { dtype } = checkKind(context, FLOATS);
  const vectorType = checkKind(context, FLOATS, 2).dtype;
  const format = formatOf(context);
  const shape = merged(
    context,
    context.input(0).shape,
    context.input(1).shape,
    'the shapes of y_backprop and x',
  );
  const image = imageShape(context, shape, format, 'x');
  let channels = channelsWith(context, 2, 'scale', image.channels);
  channels = channelsWith(context, 3, 'reserve_space_1', channels);
  channels = channelsWith(context, 4, 'reserve_space_2', channels);
  const vector = tensorType(vectorType, [channels]);
  return [tensorType(dtype, inFormat({ ...image, channels }, format)), vector, vector];
}
