import type { DType } from '@placewright/ir';
import { type EmitContext, emitter, FLOATING, summing } from './context.js';
import { isNchw, perChannel } from './nn.js';

/** How a node's images are laid out here, and how to reduce and broadcast over them. */
interface Channels {
  readonly dtype: DType;
  readonly first: boolean;
  readonly axes: readonly number[];
  /** An input of the images' shape in this layout. */
  read(index: number): string;
  /** A vector by channel, shaped to broadcast. */
  spread(vector: string): string;
  /** Sum or mean over all but channels, a vector. */
  reduce(op: 'ReduceSum' | 'ReduceMean', images: string): string;
  write(port: number, name: string): void;
}

function channelsOf(context: EmitContext, indices: readonly number[]): Channels {
  const { builder } = context;
  const nchw = isNchw(context);
  const asImage = !nchw && indices.some((index) => context.isImage(index));
  const first = nchw || asImage;
  const axes = first ? [0, 2, 3] : [0, 1, 2];
  return {
    dtype: context.type(indices[0] ?? 0).dtype,
    first,
    axes,
    read: (index) => (asImage ? context.image(index) : context.input(index)),
    spread: (vector) => (first ? perChannel(context, vector, 4) : vector),
    reduce: (op, images) => builder.op(op, [images, builder.ints(axes)], { keepdims: 0 }),
    write: (port, name) => {
      if (asImage) context.setImage(port, name);
      else context.set(port, name);
    },
  };
}

/** 1 / √(variance + ε). */
function inverseRoot(context: EmitContext, variance: string, dtype: DType): string {
  const { builder } = context;
  const shifted = builder.op('Add', [variance, builder.scalar(dtype, context.attr('epsilon', 'float'))]);
  return builder.op('Reciprocal', [builder.op('Sqrt', [shifted])]);
}

/** Inputs: images, scale, offset, mean, variance. */
const forward = emitter('reductions and arithmetic', FLOATING, (context) => {
  const { builder } = context;
  const channels = channelsOf(context, [0]);
  const x = channels.read(0);
  const training = context.attr('is_training', 'bool');
  const mean = training ? channels.reduce('ReduceMean', x) : context.input(3);
  const centered = builder.op('Sub', [x, channels.spread(mean)]);
  const variance = training
    ? channels.reduce('ReduceMean', builder.op('Mul', [centered, centered]))
    : context.input(4);
  const factor = builder.op('Mul', [context.input(1), inverseRoot(context, variance, channels.dtype)]);
  const scaled = builder.op('Mul', [centered, channels.spread(factor)]);
  channels.write(0, builder.op('Add', [scaled, channels.spread(context.input(2))]));
  context.set(1, mean);
  context.set(2, training ? unbiased(context, channels, x, variance) : variance);
  context.set(3, mean);
  context.set(4, variance);
});

export const fusedBatchNorm = summing(forward);

/** Variance times n/(n−1), where n counts the elements of a channel. */
function unbiased(context: EmitContext, channels: Channels, x: string, variance: string): string {
  const { builder } = context;
  const { dtype } = channels;
  const dims = builder.op('Gather', [builder.op('Shape', [x]), builder.ints(channels.axes)], { axis: 0 });
  const count = builder.cast(builder.op('ReduceProd', [dims], { keepdims: 0 }), dtype);
  const one = builder.scalar(dtype, 1);
  const rest = builder.op('Max', [builder.op('Sub', [count, one]), one]);
  return builder.op('Mul', [variance, builder.op('Div', [count, rest])]);
}

/** Inputs: gradient by y, images, scale, mean, biased variance. */
const backward = emitter('reductions and arithmetic', FLOATING, (context) => {
  const { builder } = context;
  const channels = channelsOf(context, [0, 1]);
  const { dtype } = channels;
  const dy = channels.read(0);
  const centered = builder.op('Sub', [channels.read(1), channels.spread(context.input(3))]);
  const root = inverseRoot(context, context.input(4), dtype);
  const offsetGrad = channels.reduce('ReduceSum', dy);
  const scaleGrad = builder.op('Mul', [
    channels.reduce('ReduceSum', builder.op('Mul', [dy, centered])),
    root,
  ]);
  const factor = channels.spread(builder.op('Mul', [context.input(2), root]));
  const inner = context.attr('is_training', 'bool')
    ? throughMoments(context, channels, dy, centered, root)
    : dy;
  channels.write(0, builder.op('Mul', [inner, factor]));
  context.set(1, scaleGrad);
  context.set(2, offsetGrad);
});

export const fusedBatchNormGrad = summing(backward);

/** The gradient less what flows through the batch's own mean and variance. */
function throughMoments(
  context: EmitContext,
  channels: Channels,
  dy: string,
  centered: string,
  root: string,
): string {
  const { builder } = context;
  const meanGrad = channels.reduce('ReduceMean', dy);
  const meanProduct = channels.reduce('ReduceMean', builder.op('Mul', [dy, centered]));
  const slope = builder.op('Mul', [meanProduct, builder.op('Mul', [root, root])]);
  const bend = builder.op('Mul', [centered, channels.spread(slope)]);
  return builder.op('Sub', [builder.op('Sub', [dy, channels.spread(meanGrad)]), bend]);
}
