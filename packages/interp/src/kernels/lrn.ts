import { sameShape } from '@placewright/ir';
import { fromFloat64, type NumberArray } from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';

// Local response normalisation along the last dimension. Sums in float64, rounded once.

interface Plan {
  /** Elements of the last dimension. */
  readonly depth: number;
  readonly radius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

function planOf(context: KernelContext, index: number): Plan {
  const { shape } = context.input(index);
  const depth = shape[3];
  if (shape.length !== 4 || depth === undefined)
    return context.fail(`the images must have 4 dimensions, not [${shape.join(', ')}]`);
  const radius = context.attr('depth_radius', 'int');
  const float = (name: string): number => context.attr(name, 'float');
  return { depth, radius, bias: float('bias'), alpha: float('alpha'), beta: float('beta') };
}

/** For each element, the sum of those of its row that are within the radius. */
function neighbourSums(values: Float64Array, { depth, radius }: Plan): Float64Array {
  const out = new Float64Array(values.length);
  for (let row = 0; row < values.length; row += depth) {
    for (let i = 0; i < depth; i++) {
      const end = Math.min(i + radius + 1, depth);
      let total = 0;
      for (let j = Math.max(i - radius, 0); j < end; j++) total += values[row + j] as number;
      out[row + i] = total;
    }
  }
  return out;
}

/** What each element is divided by, before it is raised to beta. */
function norms(x: NumberArray, plan: Plan): Float64Array {
  const sums = neighbourSums(
    Float64Array.from(x, (value) => value * value),
    plan,
  );
  return sums.map((sum) => plan.bias + plan.alpha * sum);
}

export const lrn: Kernel = (context) => {
  const { dtype, shape, data } = context.input(0);
  const plan = planOf(context, 0);
  const x = data as NumberArray;
  const out = norms(x, plan).map((norm, i) => (x[i] as number) * norm ** -plan.beta);
  return [fromFloat64(dtype, shape, out)];
};

/**
 * Inputs: gradient dy, images x, outputs y. With n the norms: dx = dy·n^−beta − 2·alpha·beta·x·Σ dy·y/n, summed over the
 * neighbours, whose norms x is part of.
 */
export const lrnGrad: Kernel = (context) => {
  const { dtype, shape } = context.input(0);
  const plan = planOf(context, 0);
  if (![1, 2].every((index) => sameShape(context.input(index).shape, shape)))
    context.fail('the gradient, the images and the outputs differ in shape');
  const [dy, x, y] = [0, 1, 2].map((index) => context.input(index).data as NumberArray) as [
    NumberArray,
    NumberArray,
    NumberArray,
  ];
  const n = norms(x, plan);
  const shares = neighbourSums(
    n.map((norm, i) => ((dy[i] as number) * (y[i] as number)) / norm),
    plan,
  );
  const slope = 2 * plan.alpha * plan.beta;
  const out = n.map(
    (norm, i) => (dy[i] as number) * norm ** -plan.beta - slope * (x[i] as number) * (shares[i] as number),
  );
  return [fromFloat64(dtype, shape, out)];
};
