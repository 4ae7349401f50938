import { sameShape, type TensorValue } from '@placewright/ir';
import { fromFloat64, type NumberArray } from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';
import { type ChannelView, channelSums, channelView } from './nn.js';

// Moments and sums in float64, rounded once; `reserve_2` is the biased variance itself, not its inverse root.

interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** Mean and biased variance of each channel, in two passes. */
function momentsOf(x: NumberArray, view: ChannelView): Moments {
  const count = view.outer * view.inner;
  const mean = channelSums(x, view).map((sum) => sum / count);
  const variance = new Float64Array(view.channels);
  let k = 0;
  for (let o = 0; o < view.outer; o++) {
    for (let c = 0; c < view.channels; c++) {
      const center = mean[c] as number;
      let total = variance[c] as number;
      for (let i = 0; i < view.inner; i++, k++) total += ((x[k] as number) - center) ** 2;
      variance[c] = total;
    }
  }
  return { mean, variance: variance.map((sum) => sum / count) };
}

function perChannel(context: KernelContext, index: number, channels: number): Float64Array {
  const { shape, data } = context.input(index);
  if (!sameShape(shape, [channels]))
    context.fail(`input ${index} is [${shape.join(', ')}], not [${channels}]`);
  return Float64Array.from(data as NumberArray);
}

/** `scale·x + shift` by channel. */
function affine(x: NumberArray, view: ChannelView, scale: Float64Array, shift: Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  let k = 0;
  for (let o = 0; o < view.outer; o++) {
    for (let c = 0; c < view.channels; c++) {
      const factor = scale[c] as number;
      const term = shift[c] as number;
      for (let i = 0; i < view.inner; i++, k++) out[k] = (x[k] as number) * factor + term;
    }
  }
  return out;
}

function inverseRoots(variance: Float64Array, epsilon: number): Float64Array {
  return variance.map((value) => 1 / Math.sqrt(value + epsilon));
}

export const fusedBatchNorm: Kernel = (context) => {
  const input = context.input(0);
  const view = channelView(context, input);
  const x = input.data as NumberArray;
  const scale = perChannel(context, 1, view.channels);
  const offset = perChannel(context, 2, view.channels);
  const training = context.attr('is_training', 'bool');
  const { mean, variance } = training ? momentsOf(x, view) : givenMoments(context, view.channels);
  const factor = inverseRoots(variance, context.attr('epsilon', 'float')).map(
    (root, c) => root * (scale[c] as number),
  );
  const shift = factor.map((f, c) => (offset[c] as number) - f * (mean[c] as number));
  const y = fromFloat64(input.dtype, input.shape, affine(x, view, factor, shift));
  if (!training) return [y, context.input(3), context.input(4), context.input(3), context.input(4)];
  const count = view.outer * view.inner;
  const unbiased = variance.map((value) => value * (count / Math.max(count - 1, 1)));
  const vector = (values: Float64Array): TensorValue =>
    fromFloat64(context.input(1).dtype, [view.channels], values);
  return [y, vector(mean), vector(unbiased), vector(mean), vector(variance)];
};

function givenMoments(context: KernelContext, channels: number): Moments {
  return { mean: perChannel(context, 3, channels), variance: perChannel(context, 4, channels) };
}

/** Inputs: gradient by y, x, scale, mean, biased variance. */
export const fusedBatchNormGrad: Kernel = (context) => {
  const gradient = context.input(0);
  const input = context.input(1);
  if (!sameShape(gradient.shape, input.shape)) {
    context.fail(`the gradient is [${gradient.shape.join(', ')}] and the input [${input.shape.join(', ')}]`);
  }
  const view = channelView(context, input);
  const dy = gradient.data as NumberArray;
  const x = input.data as NumberArray;
  const scale = perChannel(context, 2, view.channels);
  const mean = perChannel(context, 3, view.channels);
  const roots = inverseRoots(perChannel(context, 4, view.channels), context.attr('epsilon', 'float'));
  const offsetGrad = channelSums(dy, view);
  const scaleGrad = productSums(dy, x, view, mean).map((sum, c) => sum * (roots[c] as number));
  const factor = roots.map((root, c) => root * (scale[c] as number));
  const dx = affine(dy, view, factor, new Float64Array(view.channels));
  if (context.attr('is_training', 'bool'))
    takeMomentTerms(dx, x, view, { factor, roots, mean, offsetGrad, scaleGrad });
  const vector = (values: Float64Array): TensorValue =>
    fromFloat64(context.input(2).dtype, [view.channels], values);
  return [fromFloat64(gradient.dtype, input.shape, dx), vector(scaleGrad), vector(offsetGrad)];
};

/** Σ dy·(x − mean) of each channel. */
function productSums(dy: NumberArray, x: NumberArray, view: ChannelView, mean: Float64Array): Float64Array {
  const sums = new Float64Array(view.channels);
  let k = 0;
  for (let o = 0; o < view.outer; o++) {
    for (let c = 0; c < view.channels; c++) {
      const center = mean[c] as number;
      let total = sums[c] as number;
      for (let i = 0; i < view.inner; i++, k++) total += (dy[k] as number) * ((x[k] as number) - center);
      sums[c] = total;
    }
  }
  return sums;
}

interface BackwardTerms {
  readonly factor: Float64Array;
  readonly roots: Float64Array;
  readonly mean: Float64Array;
  readonly offsetGrad: Float64Array;
  readonly scaleGrad: Float64Array;
}

/** Takes from `dx` what flows through the batch's own mean and variance. */
function takeMomentTerms(dx: Float64Array, x: NumberArray, view: ChannelView, terms: BackwardTerms): void {
  const count = view.outer * view.inner;
  let k = 0;
  for (let o = 0; o < view.outer; o++) {
    for (let c = 0; c < view.channels; c++) {
      const factor = (terms.factor[c] as number) / count;
      const root = terms.roots[c] as number;
      const center = terms.mean[c] as number;
      const offsetGrad = terms.offsetGrad[c] as number;
      const scaleGrad = terms.scaleGrad[c] as number;
      for (let i = 0; i < view.inner; i++, k++) {
        const normalised = ((x[k] as number) - center) * root;
        dx[k] = (dx[k] as number) - factor * (offsetGrad + normalised * scaleGrad);
      }
    }
  }
}
