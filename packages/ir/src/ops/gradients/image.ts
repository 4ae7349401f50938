import type { GradientContext, GradientFunction } from '../../op.js';
import { input, ofOne, op, output, shapeOf } from './common.js';

function convAttrs(context: GradientContext) {
  return {
    strides: context.attr('strides', 'ints'),
    padding: context.attr('padding', 'string'),
    data_format: context.attr('data_format', 'string'),
    dilations: context.attr('dilations', 'ints'),
  };
}

function poolAttrs(context: GradientContext) {
  return {
    ksize: context.attr('ksize', 'ints'),
    strides: context.attr('strides', 'ints'),
    padding: context.attr('padding', 'string'),
    data_format: context.attr('data_format', 'string'),
  };
}

export const conv2D: GradientFunction = (context) => {
  const [x, filter, grad] = [input(context, 0), input(context, 1), context.grad(0)];
  const attrs = convAttrs(context);
  return [
    op(context, 'Conv2DBackpropInput', [shapeOf(context, x), filter, grad], attrs),
    op(context, 'Conv2DBackpropFilter', [x, shapeOf(context, filter), grad], attrs),
  ];
};

/** The op is linear in the filter and in the gradient it takes, and so are these. */
export const conv2DBackpropInput: GradientFunction = (context) => {
  const [filter, outBackprop, grad] = [input(context, 1), input(context, 2), context.grad(0)];
  const attrs = convAttrs(context);
  return [
    null,
    op(context, 'Conv2DBackpropFilter', [grad, shapeOf(context, filter), outBackprop], attrs),
    op(context, 'Conv2D', [grad, filter], attrs),
  ];
};

export const conv2DBackpropFilter: GradientFunction = (context) => {
  const [x, outBackprop, grad] = [input(context, 0), input(context, 2), context.grad(0)];
  const attrs = convAttrs(context);
  return [
    op(context, 'Conv2DBackpropInput', [shapeOf(context, x), grad, outBackprop], attrs),
    null,
    op(context, 'Conv2D', [x, grad], attrs),
  ];
};

export const maxPool = ofOne((context, grad) =>
  op(context, 'MaxPoolGrad', [input(context, 0), output(context, 0), grad], poolAttrs(context)),
);

export const avgPool = ofOne((context, grad) =>
  op(context, 'AvgPoolGrad', [shapeOf(context, input(context, 0)), grad], poolAttrs(context)),
);

export const avgPoolGrad: GradientFunction = (context) => [
  null,
  op(context, 'AvgPool', [context.grad(0)], poolAttrs(context)),
];
