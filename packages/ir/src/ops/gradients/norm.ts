import type { TensorRef } from '../../graph.js';
import type { GradientContext, GradientFunction } from '../../op.js';
import { castTo, countAs, input, op, output, scaled, shapeOf } from './common.js';

type Gradient = TensorRef | null;

/** Gradients by x, scale and offset through y; in inference also by the given moments. */
export const fusedBatchNorm: GradientFunction = (context) => {
  const training = context.attr('is_training', 'bool');
  const [dx, dscale, doffset] = throughY(context, training ? [3, 4] : null);
  if (training) return [sum(context, [dx, throughMoments(context)]), dscale, doffset, null, null];
  const [dmean, dvariance] = byGivenMoments(context, dscale, doffset);
  const [, mean = null, variance = null, reserve1 = null, reserve2 = null] = context.grads;
  return [
    dx,
    dscale,
    doffset,
    sum(context, [dmean, mean, reserve1]),
    sum(context, [dvariance, variance, reserve2]),
  ];
};

/** `moments` are the outputs that hold mean and biased variance, null for the inputs that do. */
function throughY(
  context: GradientContext,
  moments: readonly [number, number] | null,
): readonly [Gradient, Gradient, Gradient] {
  const [grad = null] = context.grads;
  if (grad === null) return [null, null, null];
  const [mean, variance] =
    moments === null
      ? [input(context, 3), input(context, 4)]
      : [output(context, moments[0]), output(context, moments[1])];
  const [dx, dscale = null, doffset = null] = context.op(
    'FusedBatchNormGradV3',
    [grad, input(context, 0), input(context, 1), mean, variance],
    {
      epsilon: context.attr('epsilon', 'float'),
      is_training: context.attr('is_training', 'bool'),
      data_format: context.attr('data_format', 'string'),
    },
  );
  return [dx, dscale, doffset];
}

/**
 * Gradient by x of what is made of the batch's moments themselves (with n elements a channel):
 * ∂mean/∂x = 1/n, ∂(biased variance)/∂x = 2(x − mean)/n, and the unbiased variance is n/(n − 1) times the biased one.
 */
function throughMoments(context: GradientContext): Gradient {
  const [, mean1 = null, unbiased = null, mean2 = null, biased = null] = context.grads;
  const mean = sum(context, [mean1, mean2]);
  const x = input(context, 0);
  if (mean === null && unbiased === null && biased === null) return null;
  const n = countOf(context);
  const parts: Gradient[] = [];
  if (mean !== null) {
    const share = perChannel(context, op(context, 'RealDiv', [mean, n]));
    parts.push(op(context, 'BroadcastTo', [share, shapeOf(context, x)]));
  }
  const variance = sum(context, [biased, unbiased === null ? null : fromUnbiased(context, unbiased, n)]);
  if (variance !== null) {
    const centred = op(context, 'Sub', [x, perChannel(context, output(context, 3))]);
    const share = perChannel(context, op(context, 'RealDiv', [scaled(context, variance, 2), n]));
    parts.push(op(context, 'Mul', [centred, share]));
  }
  return sum(context, parts);
}

/** Gradient by the biased variance; a single element counts as if it were two, as in the op. */
function fromUnbiased(context: GradientContext, grad: TensorRef, n: TensorRef): TensorRef {
  const one = context.constant(context.type(n).dtype, 1);
  const fewer = op(context, 'Maximum', [op(context, 'Sub', [n, one]), one]);
  return op(context, 'Mul', [grad, op(context, 'RealDiv', [n, fewer])]);
}

/** Number of elements a channel, in the type of the statistics. */
function countOf(context: GradientContext): TensorRef {
  const mean = output(context, 3);
  const { dtype } = context.type(mean);
  const all = countAs(context, op(context, 'Size', [input(context, 0)]), dtype);
  const channels = countAs(context, op(context, 'Size', [mean]), dtype);
  return castTo(context, op(context, 'RealDiv', [all, channels]), dtype);
}

/** One number a channel, in the type of x and shaped so that it broadcasts against it. */
function perChannel(context: GradientContext, vector: TensorRef): TensorRef {
  const cast = castTo(context, vector, context.type(input(context, 0)).dtype);
  if (context.attr('data_format', 'string') === 'NHWC') return cast;
  return op(context, 'ExpandDims', [op(context, 'ExpandDims', [cast], { axis: 1 })], { axis: 2 });
}

/**
 * With s = 1/√(variance + ε): ∂/∂mean = −scale·s·Σdy and ∂/∂variance = −scale·s²·(Σdy·(x − mean)·s)/2; the two sums
 * are the gradients by offset and scale.
 */
function byGivenMoments(
  context: GradientContext,
  dscale: Gradient,
  doffset: Gradient,
): readonly [Gradient, Gradient] {
  if (dscale === null || doffset === null) return [null, null];
  const scale = input(context, 1);
  const variance = input(context, 4);
  const epsilon = context.constant(context.type(variance).dtype, context.attr('epsilon', 'float'));
  const shifted = op(context, 'AddV2', [variance, epsilon]);
  const slope = op(context, 'Mul', [scale, op(context, 'Rsqrt', [shifted])]);
  const half = scaled(context, op(context, 'RealDiv', [scale, shifted]), -0.5);
  return [op(context, 'Neg', [op(context, 'Mul', [slope, doffset])]), op(context, 'Mul', [half, dscale])];
}

function sum(context: GradientContext, parts: readonly Gradient[]): Gradient {
  const there = parts.filter((part) => part !== null);
  const [first = null] = there;
  return there.length > 1 ? op(context, 'AddN', there) : first;
}
