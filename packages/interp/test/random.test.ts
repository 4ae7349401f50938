import { type TensorValue, toNumbers } from '@placewright/ir';
import { expect, test } from 'vitest';
import { evaluate } from './support.js';

test.each<[string, Readonly<Record<string, number>>, number, number]>([
  ['StatelessRandomUniform', { minval: -1, maxval: 3 }, 1, 4 / Math.sqrt(12)],
  ['StatelessRandomNormal', { mean: 2, stddev: 0.5 }, 2, 0.5],
  // Deviation of a normal cut at two standard deviations.
  ['StatelessTruncatedNormal', { mean: -1, stddev: 2 }, -1, 2 * 0.87963],
])('%s draws the same again, with the right moments', (op, attrs, mean, deviation) => {
  const draw = (seed: number): TensorValue[] => evaluate(op, [], { shape: [100, 200], seed, ...attrs });
  const [value] = draw(3);
  expect(draw(3)).toEqual([value]);
  expect(draw(4)).not.toEqual([value]);
  const numbers = toNumbers(value as TensorValue);
  const average = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const variance = numbers.reduce((sum, x) => sum + (x - average) ** 2, 0) / numbers.length;
  expect(Math.abs(average - mean)).toBeLessThan(0.04);
  expect(Math.abs(Math.sqrt(variance) - deviation)).toBeLessThan(0.02);
});
