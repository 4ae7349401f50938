import { expect, test } from 'vitest';
import { mnist, modelInput, type Split } from '../src/index.js';
import { codeOf } from './errors.js';

const histogram = ({ labels }: Split): number[] => {
  const counts = Array<number>(10).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
};

test('all of MNIST is there', () => {
  const data = mnist();
  expect([data.train.count, data.test.count]).toEqual([60_000, 10_000]);
  expect([data.train.images.length, data.test.images.length]).toEqual([47_040_000, 7_840_000]);
  expect(histogram(data.train)).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
  expect(histogram(data.test)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  expect([...data.train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  expect(modelInput(data)).toEqual({ imageSize: 28, channels: 1, classes: 10 });
});

test('another directory without the files is refused', () => {
  expect(codeOf(() => mnist('/nowhere'))).toBe('PW_DATA_FILE');
});
