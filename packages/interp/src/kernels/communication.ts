import { isFloat, sameShape, type TensorValue } from '@placewright/ir';
import { filled } from '../data.js';
import type { Kernel } from '../kernel.js';
import { addValues, divideValues } from './elementwise.js';

/** Sum in the order given, each partial sum rounded. Throws PW_SHAPE_MISMATCH. */
export function sumInOrder(values: readonly [TensorValue, ...TensorValue[]]): TensorValue {
  const [first, ...others] = values;
  return others.reduce(addValues, first);
}

/** The abstract all-reduce: output `i` is the sum or mean over all inputs, in the order of the towers. */
export const allReduce: Kernel = (context) => {
  const first = context.input(0);
  if (!context.inputs.every(({ shape }) => sameShape(shape, first.shape)))
    context.fail('the inputs differ in shape');
  const sum = sumInOrder([first, ...context.inputs.slice(1)]);
  const count = context.inputs.length;
  if (context.attr('reduction', 'string') === 'sum') return context.inputs.map(() => sum);
  if (!isFloat(first.dtype)) context.fail(`the mean of ${first.dtype} is not defined`);
  const mean = divideValues(sum, filled(sum.dtype, [], count));
  return context.inputs.map(() => mean);
};
