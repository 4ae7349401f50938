import { type EmitContext, emitter, FLOATING, summing } from './context.js';

/** Whether an op works on images here: four dimensions, whatever the format. */
export function isNchw(context: EmitContext): boolean {
  return context.attr('data_format', 'string') === 'NCHW';
}

/** An input with channels first, whatever the node's format. */
export function channelsFirst(context: EmitContext, index: number): string {
  return isNchw(context) ? context.input(index) : context.image(index);
}

/** Sets an output that has channels first, whatever the node's format. */
export function setChannelsFirst(context: EmitContext, port: number, name: string): void {
  if (isNchw(context)) context.set(port, name);
  else context.setImage(port, name);
}

/** A vector with an element for each channel, shaped to broadcast over a tensor whose axis 1 is channels. */
export function perChannel(context: EmitContext, vector: string, rank: number): string {
  const dims = Array.from({ length: rank }, (_, axis) => (axis === 1 ? -1 : 1));
  return context.builder.op('Reshape', [vector, context.builder.ints(dims)]);
}

const channelSums = emitter('ReduceSum', FLOATING, (context) => {
  const { builder } = context;
  const rank = context.type(0).shape.length;
  const first = isNchw(context) || context.isImage(0);
  const name = context.isImage(0) ? context.image(0) : context.input(0);
  const channel = first ? 1 : rank - 1;
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== channel);
  context.set(0, builder.op('ReduceSum', [name, builder.ints(axes)], { keepdims: 0 }));
});

export const biasAddGrad = summing(channelSums);

const overClasses = (op: string) =>
  summing(
    emitter(op, FLOATING, (context) => {
      context.set(0, context.builder.op(op, [context.input(0)], { axis: -1 }));
    }),
  );

export const softmax = overClasses('Softmax');
export const logSoftmax = overClasses('LogSoftmax');

/**
 * The loss is minus the log-softmax at the label, its gradient the softmax less one at the label. Labels are clamped,
 * so that a wrong one cannot read past the end; the runtime checks them before the results are used.
 */
const crossEntropy = emitter('LogSoftmax, GatherElements, Where', FLOATING, (context) => {
  const { builder } = context;
  const { dtype, shape } = context.type(0);
  const classes = shape[1] ?? null;
  if (classes === null) return context.refuse('the number of classes must be known before the run');
  const numbers = builder.cast(context.input(1), 'int64');
  const clamped = builder.op('Clip', [
    numbers,
    builder.scalar('int64', 0),
    builder.scalar('int64', classes - 1),
  ]);
  const labels = builder.op('Unsqueeze', [clamped, builder.ints([1])]);
  const logs = builder.op('LogSoftmax', [context.input(0)], { axis: 1 });
  const picked = builder.op('GatherElements', [logs, labels], { axis: 1 });
  context.set(0, builder.op('Neg', [builder.op('Squeeze', [picked, builder.ints([1])])]));
  const probabilities = builder.op('Exp', [logs]);
  const here = builder.op('Equal', [labels, builder.ints(Array.from({ length: classes }, (_, i) => i))]);
  const less = builder.op('Sub', [probabilities, builder.scalar(dtype, 1)]);
  context.set(1, builder.op('Where', [here, less, probabilities]));
  context.guard(1, classes);
});

export const sparseSoftmaxCrossEntropy = summing(crossEntropy);
