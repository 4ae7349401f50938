import type { TensorRef } from '../graph.js';
import type { GradientContext } from '../op.js';

/**
 * `grad` summed over the dimensions along which the shape of `like` was broadcast to it: those that `like` lacks in
 * front, and those where it is 1. Two unknown dimensions are taken to be equal.
 */
export function unbroadcast(
  { op, type }: Pick<GradientContext, 'op' | 'type'>,
  grad: TensorRef,
  like: TensorRef,
): TensorRef {
  const from = type(grad).shape;
  const to = type(like).shape;
  const extra = from.length - to.length;
  const added = from.slice(0, Math.max(extra, 0)).map((_, axis) => axis);
  const stretched = to.flatMap((dim, i) => (dim === 1 && from[i + extra] !== 1 ? [i + extra] : []));
  const axis = [...added, ...stretched];
  if (axis.length === 0) return grad;
  const [sum] = op('Sum', [grad], { axis, keep_dims: stretched.length > 0 });
  return stretched.length > 0 && added.length > 0 ? op('Squeeze', [sum], { axis: added })[0] : sum;
}
