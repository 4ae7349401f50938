import type { TensorRef } from '../../graph.js';
import type { GradientContext, GradientFunction } from '../../op.js';
import type { Dim } from '../../shape.js';
import { input, ofOne, op, output, shapeOf, unknownDim } from './common.js';

export const cast = ofOne((context, grad) =>
  op(context, 'Cast', [grad], { DstT: context.type(input(context, 0)).dtype }),
);

/** The gradient in the shape of the input: of reshapes, and of dimensions of length 1 that come or go. */
export const reshaped = ofOne((context, grad) =>
  op(context, 'Reshape', [grad, shapeOf(context, input(context, 0))]),
);

export const transpose = ofOne((context, grad) => {
  const perm = context.attr('perm', 'ints');
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  return op(context, 'Transpose', [grad], { perm: inverse });
});

export const expandDims = ofOne((context, grad) => {
  const axis = context.attr('axis', 'int');
  return op(context, 'Squeeze', [grad], { axis: [axis < 0 ? axis + context.type(grad).shape.length : axis] });
});

export const broadcastTo = ofOne((context, grad) => context.unbroadcast(grad, input(context, 0)));

export const pad = ofOne((context, grad) => {
  const x = input(context, 0);
  const { shape } = context.type(x);
  const paddings = context.attr('paddings', 'ints');
  const size = shape.map((dim, axis) => {
    if (dim === null && paddings[2 * axis + 1] !== 0) throw unknownDim(context, 'Pad', x);
    return dim ?? -1;
  });
  return op(context, 'Slice', [grad], { begin: shape.map((_, axis) => paddings[2 * axis] ?? 0), size });
});

/** Zeros around the gradient. Behind it, along a dimension of unknown length, come zeros like the rest of the input. */
export const slice = ofOne((context, grad) => {
  const x = input(context, 0);
  const { shape } = context.type(x);
  const begin = context.attr('begin', 'ints');
  const size = context.attr('size', 'ints');
  let part = grad;
  shape.forEach((dim, axis) => {
    if (dim === null && size[axis] !== -1) part = withTail(context, part, axis);
  });
  const paddings = shape.flatMap((dim, axis) => {
    const [from, length] = [begin[axis] ?? 0, size[axis] ?? 0];
    return [from, dim === null || length === -1 ? 0 : dim - from - length];
  });
  return paddings.every((width) => width === 0) ? part : op(context, 'Pad', [part], { paddings });
});

/** `part` with zeros appended for what the slice left out behind its end along `axis`. */
function withTail(context: GradientContext, part: TensorRef, axis: number): TensorRef {
  const x = input(context, 0);
  const begin = context.attr('begin', 'ints');
  const size = context.attr('size', 'ints');
  const end = (begin[axis] ?? 0) + (size[axis] ?? 0);
  // Dimensions before this one already have their tail; the others are still as long as the slice.
  const { shape } = context.type(x);
  const full = (i: number): boolean => i < axis && shape[i] === null && size[i] !== -1;
  const rest = op(context, 'Slice', [x], {
    begin: begin.map((from, i) => (i === axis ? end : from)),
    size: size.map((length, i) => (i === axis || full(i) ? -1 : length)),
  });
  return op(context, 'ConcatV2', [part, op(context, 'ZerosLike', [rest])], { axis });
}

export const concat: GradientFunction = (context) => {
  const grad = context.grad(0);
  if (context.inputs.length === 1) return [grad];
  const { rank, axis } = concatAxis(context);
  const lengths = context.inputs.map((tensor): Dim => context.type(tensor).shape[axis] ?? null);
  const [first = null] = lengths;
  if (first !== null && lengths.every((length) => length === first)) {
    return context.op('Split', [grad], { axis, num_split: lengths.length });
  }
  let from: Dim = 0;
  return lengths.map((length, i) => {
    // The last part goes to the end, whatever its length; before that, lengths must be known.
    const last = i === lengths.length - 1;
    if (from === null || (length === null && !last))
      throw unknownDim(context, 'ConcatV2', output(context, 0));
    const part = op(context, 'Slice', [grad], {
      begin: Array.from({ length: rank }, (_, d) => (d === axis ? (from ?? 0) : 0)),
      size: Array.from({ length: rank }, (_, d) => (d === axis ? (length ?? -1) : -1)),
    });
    from = length === null ? null : from + length;
    return part;
  });
};

function concatAxis(context: GradientContext): { readonly rank: number; readonly axis: number } {
  const rank = context.type(input(context, 0)).shape.length;
  const axis = context.attr('axis', 'int');
  return { rank, axis: axis < 0 ? axis + rank : axis };
}

export const split: GradientFunction = (context) => {
  const parts = context.outputs.map((_, i) => context.grad(i));
  return [op(context, 'ConcatV2', parts, { axis: context.attr('axis', 'int') })];
};
