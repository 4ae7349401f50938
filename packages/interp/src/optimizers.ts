import { allocate, sameShape, type TensorValue } from '@placewright/ir';
import type { NumberArray } from './data.js';
import { scalarInput } from './kernels/elementwise.js';
import { rounder } from './rounding.js';
import type { StateContext, StateKernel } from './state-ops.js';

// TensorFlow's training kernels, with its order of operations, each rounded to the variable's dtype.

/** The values of the resources and a gradient of the same shape. Throws PW_KERNEL_INPUT. */
function operands(context: StateContext, gradient: TensorValue): NumberArray[] {
  const values = context.node.resources.map((_, index) => context.read(index));
  for (const { shape } of values) {
    if (sameShape(shape, gradient.shape)) continue;
    context.fail(`the gradient is [${gradient.shape.join(', ')}] and the variable [${shape.join(', ')}]`);
  }
  return [...values, gradient].map(({ data }) => data as NumberArray);
}

/** New arrays for each resource. */
function results(context: StateContext): NumberArray[] {
  return context.node.resources.map((_, index) => {
    const { dtype, data } = context.read(index);
    return allocate(dtype, data.length) as NumberArray;
  });
}

function store(context: StateContext, arrays: readonly NumberArray[]): void {
  arrays.forEach((data, index) => {
    const { dtype, shape } = context.read(index);
    context.write(index, { dtype, shape, data });
  });
}

export const applyGradientDescent: StateKernel = (context) => {
  const alpha = scalarInput(context, 0);
  const round = rounder(context.input(1).dtype);
  const [variable, delta] = operands(context, context.input(1)) as [NumberArray, NumberArray];
  const [next] = results(context) as [NumberArray];
  for (let i = 0; i < next.length; i++) {
    next[i] = (variable[i] as number) - round(alpha * (delta[i] as number));
  }
  store(context, [next]);
  return [];
};

/** Inputs: learning rate, gradient, momentum. */
export const applyMomentum: StateKernel = (context) => {
  const rate = scalarInput(context, 0);
  const momentum = scalarInput(context, 2);
  const nesterov = context.attr('use_nesterov', 'bool');
  const round = rounder(context.input(1).dtype);
  const [variable, sum, gradient] = operands(context, context.input(1)) as [
    NumberArray,
    NumberArray,
    NumberArray,
  ];
  const [next, nextSum] = results(context) as [NumberArray, NumberArray];
  for (let i = 0; i < next.length; i++) {
    const g = gradient[i] as number;
    const s = round(round((sum[i] as number) * momentum) + g);
    nextSum[i] = s;
    const step = nesterov ? round(round(g * rate) + round(round(s * momentum) * rate)) : round(s * rate);
    next[i] = (variable[i] as number) - step;
  }
  store(context, [next, nextSum]);
  return [];
};

/** Inputs: learning rate, decay, momentum, epsilon, gradient. */
export const applyRMSProp: StateKernel = (context) => {
  const [rate, decay, momentum, epsilon] = [0, 1, 2, 3].map((index) =>
    scalarInput(context, index),
  ) as Scalars;
  const round = rounder(context.input(4).dtype);
  const fresh = round(1 - decay);
  const arrays = operands(context, context.input(4)) as [NumberArray, NumberArray, NumberArray, NumberArray];
  const [variable, squares, moments, gradient] = arrays;
  const [next, nextSquares, nextMoments] = results(context) as [NumberArray, NumberArray, NumberArray];
  for (let i = 0; i < next.length; i++) {
    const g = gradient[i] as number;
    const old = squares[i] as number;
    const ms = round(old + round(round(round(g * g) - old) * fresh));
    const step = round(round(g * rate) / round(Math.sqrt(round(ms + epsilon))));
    const mom = round(round((moments[i] as number) * momentum) + step);
    nextSquares[i] = ms;
    nextMoments[i] = mom;
    next[i] = (variable[i] as number) - mom;
  }
  store(context, [next, nextSquares, nextMoments]);
  return [];
};

type Scalars = [rate: number, decay: number, momentum: number, epsilon: number];
