import { describe, expect, test } from 'vitest';
import { type ImageShape, type Split, synthetic } from '../src/index.js';
import { codeOf } from './errors.js';

const shape: ImageShape = [12, 12, 3];
const options = { imageShape: shape, classes: 10, train: 300, test: 100, seed: 4 };

test('the same options give the same bytes, another seed others', () => {
  expect(synthetic(options)).toEqual(synthetic(options));
  expect(synthetic({ ...options, seed: 5 }).train.images).not.toEqual(synthetic(options).train.images);
});

test('the parts have the sizes asked for, and share no image', () => {
  const { train, test: held } = synthetic(options);
  expect([train.count, train.images.length, held.count, held.labels.length]).toEqual([
    300,
    300 * 432,
    100,
    100,
  ]);
  expect(train.images.subarray(0, 432)).not.toEqual(held.images.subarray(0, 432));
  expect(new Set(train.labels)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
});

/** Mean image of each class. */
function means({ images, labels }: Split, size: number): Map<number, Float64Array> {
  const sums = new Map<number, Float64Array>();
  const counts = new Map<number, number>();
  labels.forEach((label, i) => {
    const sum = sums.get(label) ?? new Float64Array(size);
    for (let j = 0; j < size; j++) sum[j] = (sum[j] ?? 0) + (images[i * size + j] ?? 0);
    sums.set(label, sum);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  for (const [label, sum] of sums)
    sum.forEach((value, j) => {
      sum[j] = value / (counts.get(label) ?? 1);
    });
  return sums;
}

test('classes can be learnt: the nearest mean of the training images names those to test with', () => {
  const { train, test: held } = synthetic(options);
  const centres = means(train, 432);
  const right = [...held.labels].filter((label, i) => {
    const image = held.images.subarray(i * 432, (i + 1) * 432);
    const distance = (centre: Float64Array): number =>
      centre.reduce((sum, value, j) => sum + (value - (image[j] ?? 0)) ** 2, 0);
    const [best] = [...centres].sort(([, a], [, b]) => distance(a) - distance(b));
    return best?.[0] === label;
  });
  expect(right).toHaveLength(100);
});

test('more than 256 classes have labels of their own', () => {
  const { train } = synthetic({ imageShape: [2, 2, 1], classes: 1001, train: 5000, test: 1 });
  expect(Math.max(...train.labels)).toBeGreaterThan(990);
  expect(Math.max(...train.labels)).toBeLessThan(1001);
});

test('large images are fewer where no number is asked for', () => {
  const { train } = synthetic({ imageShape: [1024, 1024, 3], classes: 2, test: 0 });
  expect(train.count).toBe(10);
});

describe('refused', () => {
  test.each([
    [{ ...options, classes: 0 }, 'PW_DATA_SYNTHETIC'],
    [{ ...options, classes: 65_537 }, 'PW_DATA_SYNTHETIC'],
    [{ ...options, train: -1 }, 'PW_DATA_SYNTHETIC'],
    [{ ...options, imageShape: [12, 1.5, 3] as const }, 'PW_DATA_SYNTHETIC'],
    [{ ...options, train: 10_000_000 }, 'PW_DATA_TOO_LARGE'],
  ])('%j', (wrong, code) => {
    expect(codeOf(() => synthetic(wrong))).toBe(code);
  });
});
