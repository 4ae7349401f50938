import type { TensorRef } from '../../graph.js';
import type { GradientContext, GradientFunction } from '../../op.js';
import { input, ofOne, op, output, shapeOf } from './common.js';

const formatAttr = (context: GradientContext): { readonly data_format: string } => ({
  data_format: context.attr('data_format', 'string'),
});

export const biasAdd: GradientFunction = (context) => {
  const grad = context.grad(0);
  return [grad, op(context, 'BiasAddGrad', [grad], formatAttr(context))];
};

export const biasAddGrad = ofOne((context, grad) => {
  const x = input(context, 0);
  const behind = context.attr('data_format', 'string') === 'NCHW' ? context.type(x).shape.length - 2 : 0;
  let column = grad;
  for (let i = 1; i <= behind; i++) column = op(context, 'ExpandDims', [column], { axis: i });
  return op(context, 'BroadcastTo', [column, shapeOf(context, x)]);
});

export const relu = ofOne((context, grad) => op(context, 'ReluGrad', [grad, output(context, 0)]));

export const reluGrad: GradientFunction = (context) => [
  op(context, 'ReluGrad', [context.grad(0), input(context, 1)]),
  null,
];

export const lrn = ofOne((context, grad) =>
  op(context, 'LRNGrad', [grad, input(context, 0), output(context, 0)], {
    depth_radius: context.attr('depth_radius', 'int'),
    bias: context.attr('bias', 'float'),
    alpha: context.attr('alpha', 'float'),
    beta: context.attr('beta', 'float'),
  }),
);

/** Sum along the last dimension, which stays as 1. */
function lastSum(context: GradientContext, tensor: TensorRef): TensorRef {
  const last = context.type(tensor).shape.length - 1;
  return op(context, 'Sum', [tensor], { axis: [last], keep_dims: true });
}

/** `(grad − Σ grad·y)·y` along the last dimension: how a gradient by probabilities y comes to their logits. */
function throughSoftmax(context: GradientContext, grad: TensorRef, y: TensorRef): TensorRef {
  const total = lastSum(context, op(context, 'Mul', [grad, y]));
  return op(context, 'Mul', [op(context, 'Sub', [grad, total]), y]);
}

export const softmax = ofOne((context, grad) => throughSoftmax(context, grad, output(context, 0)));

export const logSoftmax = ofOne((context, grad) => {
  const probabilities = op(context, 'Exp', [output(context, 0)]);
  return op(context, 'Sub', [grad, op(context, 'Mul', [lastSum(context, grad), probabilities])]);
});

/** The op has computed its own gradient as its second output: probabilities less the one-hot labels. */
export const crossEntropy: GradientFunction = (context) => {
  const [lossGrad = null, backpropGrad = null] = context.grads;
  const parts: TensorRef[] = [];
  if (lossGrad !== null) {
    const column = op(context, 'ExpandDims', [lossGrad], { axis: 1 });
    parts.push(op(context, 'Mul', [column, output(context, 1)]));
  }
  if (backpropGrad !== null) {
    const probabilities = op(context, 'Softmax', [input(context, 0)]);
    parts.push(throughSoftmax(context, backpropGrad, probabilities));
  }
  return [sumOf(context, parts), null];
};

function sumOf(context: GradientContext, parts: readonly TensorRef[]): TensorRef | null {
  const [first = null] = parts;
  return parts.length > 1 ? op(context, 'AddN', parts) : first;
}
