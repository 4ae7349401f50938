import { tensorKey } from '@placewright/ir';
import { type EmitContext, emitter, FLOATING, TO_IMAGE } from './context.js';
import { convolve } from './conv.js';
import { pointwise } from './elementwise.js';
import { isNchw, perChannel } from './nn.js';
import { spreadToMaxima } from './pool.js';

// Ops that are written as one with the op before them, where nothing else takes its result.

export const biasAdd = emitter('Add, or the addend of Gemm or Conv', FLOATING, (context) => {
  const { builder } = context;
  const bias = context.input(1);
  const before = context.maker(0);
  if (before?.node.op === 'Conv2D' && isNchw(before) === isNchw(context)) convolve(before, context, bias);
  else if (isNchw(context)) {
    const rank = context.type(0).shape.length;
    context.set(0, builder.op('Add', [context.input(0), perChannel(context, bias, rank)]));
  } else if (context.isImage(0)) {
    const shaped = context.derived(1, 'per channel', () => perChannel(context, bias, 4));
    context.setImage(0, builder.op('Add', [context.image(0), shaped]));
  } else context.set(0, builder.op('Add', [context.input(0), bias]));
});

/**
 * `gradients` where `features` are above zero. Behind a max-pool's gradient by the same features it is the other way
 * round, over the pooled ones, which are fewer: those that are not above zero pass on no gradient.
 */
export const reluGrad = emitter('Greater, Where', FLOATING, (context) => {
  const pool = context.maker(0);
  if (pool?.node.op !== 'MaxPoolGrad' || tensorKey(pool.ref(0)) !== tensorKey(context.ref(1))) {
    pointwise(context, ([gradients = '', features = '']) => whereAboveZero(context, gradients, features));
    return;
  }
  const gradient = whereAboveZero(context, pool.input(2), pool.input(1));
  const turn = (perm: readonly number[]): string => context.builder.op('Transpose', [gradient], { perm });
  spreadToMaxima({
    ...pool,
    input: (index) => (index === 2 ? gradient : pool.input(index)),
    image: (index) => (index === 2 ? turn(TO_IMAGE) : pool.image(index)),
    set: context.set,
    setImage: context.setImage,
  });
});

function whereAboveZero(context: EmitContext, gradients: string, features: string): string {
  const { builder } = context;
  const zero = builder.scalar(context.type(0).dtype, 0);
  return builder.op('Where', [builder.op('Greater', [features, zero]), gradients, zero]);
}
