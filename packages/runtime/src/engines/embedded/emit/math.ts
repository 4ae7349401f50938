import { ARITHMETIC, allAxes, type EmitContext, emitter, FLOATING, summing } from './context.js';

const product = emitter('MatMul or Gemm', FLOATING, (context) => {
  const transA = context.attr('transpose_a', 'bool') ? 1 : 0;
  const transB = context.attr('transpose_b', 'bool') ? 1 : 0;
  const inputs = [context.input(0), context.input(1)];
  context.set(
    0,
    transA + transB === 0
      ? context.builder.op('MatMul', inputs)
      : context.builder.op('Gemm', inputs, { transA, transB }),
  );
});

export const matMul = summing(product);

const reduction = (op: string, dtypes = ARITHMETIC) =>
  emitter(op, dtypes, (context) => {
    const axes = context.attr('axis', 'ints');
    if (axes.length === 0) context.alias();
    else reduce(context, op, axes, context.attr('keep_dims', 'bool'));
  });

/** Over height and width, an image can be reduced as it is: batch and channels are left in the same order. */
function reduce(context: EmitContext, op: string, axes: readonly number[], keep: boolean): void {
  const { builder } = context;
  const keepdims = keep ? 1 : 0;
  if (context.isImage(0) && axes.includes(1) && axes.includes(2)) {
    const moved = axes.map((axis) => [0, 2, 3, 1][axis] ?? axis).sort((a, b) => a - b);
    const name = builder.op(op, [context.image(0), builder.ints(moved)], { keepdims });
    if (keep) context.setImage(0, name);
    else context.set(0, name);
    return;
  }
  context.set(0, builder.op(op, [context.input(0), builder.ints(axes)], { keepdims }));
}

export const sum = summing(reduction('ReduceSum'));
export const mean = summing(reduction('ReduceMean', FLOATING));
export const max = reduction('ReduceMax');

/** Half the sum of squares. */
const halfOfSquares = emitter('ReduceSumSquare, Mul', FLOATING, (context) => {
  const { builder } = context;
  const { dtype, shape } = context.type(0);
  const name = context.isImage(0) ? context.image(0) : context.input(0);
  const squares =
    shape.length === 0
      ? builder.op('Mul', [name, name])
      : builder.op('ReduceSumSquare', [name, builder.ints(allAxes(shape))], { keepdims: 0 });
  context.set(0, builder.op('Mul', [squares, builder.scalar(dtype, 0.5)]));
});

export const l2Loss = summing(halfOfSquares);
