import type { TensorRef } from '../../graph.js';
import type { GradientContext } from '../../op.js';
import { castTo, countAs, input, ofOne, op, output, shapeOf } from './common.js';

/** `tensor`, a reduction over `axis`, with its dimensions of length 1 back, so that it broadcasts against the input. */
function restored(context: GradientContext, tensor: TensorRef): TensorRef {
  const axes = context.attr('axis', 'ints');
  // Leading dimensions come back by themselves when the result is broadcast.
  const leading = axes.every((axis, i) => axis === i);
  if (leading || context.attr('keep_dims', 'bool')) return tensor;
  return axes.reduce((at, axis) => op(context, 'ExpandDims', [at], { axis }), tensor);
}

function spread(context: GradientContext, grad: TensorRef): TensorRef {
  if (context.attr('axis', 'ints').length === 0) return grad;
  return op(context, 'BroadcastTo', [restored(context, grad), shapeOf(context, input(context, 0))]);
}

export const sum = ofOne(spread);

export const mean = ofOne((context, grad) =>
  spread(context, op(context, 'RealDiv', [grad, termCount(context, grad)])),
);

/** How many elements each mean is over, in the type of the gradient. */
function termCount(context: GradientContext, grad: TensorRef): TensorRef {
  const x = input(context, 0);
  const { dtype, shape } = context.type(x);
  const gone = context.attr('axis', 'ints').map((axis) => shape[axis] ?? null);
  let known = 1;
  for (const dim of gone) {
    if (dim === null) return castTo(context, computedCount(context, x), context.type(grad).dtype);
    known *= dim;
  }
  return context.constant(dtype, known);
}

function computedCount(context: GradientContext, x: TensorRef): TensorRef {
  const { dtype } = context.type(x);
  const all = countAs(context, op(context, 'Size', [x]), dtype);
  const y = output(context, 0);
  if (context.type(y).shape.every((dim) => dim === 1)) return all;
  return op(context, 'RealDiv', [all, countAs(context, op(context, 'Size', [y]), dtype)]);
}

/** Shared evenly among equal maxima, as TensorFlow has it. */
export const max = ofOne((context, grad) => {
  const x = input(context, 0);
  const axis = context.attr('axis', 'ints');
  const hit = op(context, 'Equal', [x, restored(context, output(context, 0))]);
  const marks = op(context, 'Cast', [hit], { DstT: context.type(x).dtype });
  const count = op(context, 'Sum', [marks], { axis, keep_dims: true });
  return op(context, 'Mul', [op(context, 'RealDiv', [marks, count]), restored(context, grad)]);
});
