import { FLOATS } from '../dtype.js';
import type { InferContext } from '../op.js';
import { formatShape, type TensorType, tensorType } from '../shape.js';
import * as nn from './gradients/nn.js';
import { DATA_FORMAT } from './image.js';
import {
  checkKind,
  declareOps,
  dimAt,
  float,
  floatAttr,
  likeFirst,
  merged,
  mergedDim,
  pure,
  ranked,
  same,
} from './shared.js';

/** The names and values of TensorFlow. */
const LRN_ATTRS = {
  depth_radius: { kind: 'int', default: 5 },
  bias: floatAttr(1),
  alpha: floatAttr(1),
  beta: floatAttr(0.5),
} as const;

/** Biases, activations, local normalisation and losses. */
export const nnOps = declareOps({
  BiasAdd: {
    summary: 'x + bias[channel]; bias is [c]',
    inputs: [same('value'), same('bias')],
    attrs: { data_format: DATA_FORMAT },
    effect: pure,
    infer: biasAddType,
    gradient: nn.biasAdd,
  },
  BiasAddGrad: {
    summary: 'sum over all but the channels: [c]',
    inputs: [float('out_backprop')],
    attrs: { data_format: DATA_FORMAT },
    effect: pure,
    infer: (context) => {
      const { dtype, shape } = context.input(0);
      return [tensorType(dtype, [dimAt(shape, channelAxis(context))])];
    },
    gradient: nn.biasAddGrad,
  },
  Relu: {
    summary: 'max(x, 0)',
    inputs: [float('features')],
    attrs: {},
    effect: pure,
    infer: likeFirst(FLOATS),
    gradient: nn.relu,
  },
  ReluGrad: {
    summary: 'gradients where features > 0, zero elsewhere',
    inputs: [same('gradients'), same('features')],
    attrs: {},
    effect: pure,
    infer: (context) => {
      const { dtype, shape } = checkKind(context, FLOATS);
      return [tensorType(dtype, merged(context, shape, context.input(1).shape, 'gradients and features'))];
    },
    gradient: nn.reluGrad,
  },
  LRN: {
    summary:
      'images ÷ (bias + alpha·Σ x²)^beta, summed over the last dimension from depth_radius before to as far behind',
    inputs: [float('input')],
    attrs: LRN_ATTRS,
    effect: pure,
    infer: lrnType,
    gradient: nn.lrn,
  },
  LRNGrad: {
    summary: 'gradient of an LRN by its input',
    inputs: [same('input_grads'), same('input_image'), same('output_image')],
    attrs: LRN_ATTRS,
    effect: pure,
    infer: lrnGradType,
    gradient: 'none',
  },
  Softmax: {
    summary: 'eˣ / Σ eˣ along the last dimension',
    inputs: [float('logits')],
    attrs: {},
    effect: pure,
    infer: logitsType,
    gradient: nn.softmax,
  },
  LogSoftmax: {
    summary: 'x − ln Σ eˣ along the last dimension',
    inputs: [float('logits')],
    attrs: {},
    effect: pure,
    infer: logitsType,
    gradient: nn.logSoftmax,
  },
  SparseSoftmaxCrossEntropyWithLogits: {
    summary: 'features [b, c], labels [b] → loss [b], its gradient by the features [b, c]',
    inputs: [float('features'), { name: 'labels', dtype: ['int32', 'int64'] }],
    attrs: {},
    effect: pure,
    infer: crossEntropyType,
    gradient: nn.crossEntropy,
  },
});

/** Dimension of the channels: the last one, or with NCHW the second. Fails on scalars and vectors. */
function channelAxis(context: InferContext): number {
  const { shape } = context.input(0);
  if (shape.length < 2) context.fail(`input 0 must have 2 dimensions or more, but is ${formatShape(shape)}`);
  return context.attr('data_format', 'string') === 'NCHW' ? 1 : shape.length - 1;
}

function biasAddType(context: InferContext): readonly TensorType[] {
  const { dtype, shape } = checkKind(context, FLOATS);
  const [bias = null] = ranked(context, 1, 1, 'bias');
  const axis = channelAxis(context);
  const channels = mergedDim(
    context,
    dimAt(shape, axis),
    bias,
    `channels of ${formatShape(shape)} and of bias`,
  );
  return [tensorType(dtype, shape.with(axis, channels))];
}

function lrnType(context: InferContext): readonly TensorType[] {
  checkKind(context, FLOATS);
  ranked(context, 0, 4, 'input');
  const radius = context.attr('depth_radius', 'int');
  if (radius < 0) context.fail(`depth_radius ${radius} is negative`);
  return [context.input(0)];
}

function lrnGradType(context: InferContext): readonly TensorType[] {
  const [{ dtype, shape }] = lrnType(context) as [TensorType];
  const what = 'the shapes of the gradient, the input and the output';
  return [
    tensorType(
      dtype,
      [1, 2].reduce((all, i) => merged(context, all, context.input(i).shape, what), shape),
    ),
  ];
}

function logitsType(context: InferContext): readonly TensorType[] {
  const type = context.input(0);
  if (type.shape.length === 0) context.fail('logits must have 1 dimension or more, but is a scalar');
  return [type];
}

function crossEntropyType(context: InferContext): readonly TensorType[] {
  const features = ranked(context, 0, 2, 'features');
  const [labels = null] = ranked(context, 1, 1, 'labels');
  const batch = mergedDim(context, dimAt(features, 0), labels, 'examples of features and of labels');
  const { dtype } = context.input(0);
  return [tensorType(dtype, [batch]), tensorType(dtype, [batch, dimAt(features, 1)])];
}
