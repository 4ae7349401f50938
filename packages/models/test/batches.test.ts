import { toNumbers } from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Batch, batches, permutation, type Split, sequentialBatches } from '../src/index.js';
import { codeOf } from './errors.js';

/** Images of 1×2×1 that hold 2i and 2i + 1, and labels i. */
const counting = (count: number): Split => ({
  count,
  imageShape: [1, 2, 1],
  images: Uint8Array.from({ length: 2 * count }, (_, i) => i),
  labels: Uint8Array.from({ length: count }, (_, i) => i),
});

function take(iterator: IterableIterator<Batch>, count: number): Batch[] {
  return Array.from({ length: count }, () => iterator.next().value as Batch);
}

const labelsOf = (batch: Batch): number[] => toNumbers(batch.labels);

test('batches are values of the shapes that the models take, and images stay with their labels', () => {
  for (const { images, labels } of take(batches(counting(7), { batchSize: 3, seed: 5 }), 9)) {
    expect([images.dtype, images.shape, labels.dtype, labels.shape]).toEqual([
      'float32',
      [3, 1, 2, 1],
      'int32',
      [3],
    ]);
    expect(toNumbers(images)).toEqual(toNumbers(labels).flatMap((label) => [2 * label, 2 * label + 1]));
  }
});

test('the order is the same for the same seed, another for another one and in another epoch', () => {
  const epochs = (seed: number) => take(batches(counting(20), { batchSize: 20, seed }), 2).map(labelsOf);
  expect(epochs(1)).toEqual(epochs(1));
  expect(epochs(1)).not.toEqual(epochs(2));
  expect(epochs(1)[0]).not.toEqual(epochs(1)[1]);
});

test('the order stays what it was when it was first written down', () => {
  expect([...permutation(8, 1, 0)]).toEqual([6, 2, 5, 4, 0, 3, 1, 7]);
});

test('every epoch shows every example once, whatever the size of the batches', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      (count, batchSize, seed) => {
        const need = Math.ceil((3 * count) / batchSize);
        const seen = take(batches(counting(count), { batchSize, seed }), need).flatMap(labelsOf);
        for (let epoch = 0; epoch < 3; epoch++) {
          const sorted = seen.slice(epoch * count, (epoch + 1) * count).sort((a, b) => a - b);
          expect(sorted).toEqual(Array.from({ length: count }, (_, i) => i));
        }
      },
    ),
    { seed: 1 },
  );
});

test('a run that goes on from step n gets the batches it would have got', () => {
  const options = { batchSize: 4, seed: 9 };
  const all = take(batches(counting(10), options), 12);
  expect(take(batches(counting(10), { ...options, start: 7 }), 5)).toEqual(all.slice(7));
});

test('sequential batches show everything in order, the last one smaller', () => {
  const seen = [...sequentialBatches(counting(7), 3)].map(labelsOf);
  expect(seen).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
});

describe('what cannot be a batch is refused at once', () => {
  test.each([0, -1, 1.5, Number.NaN])('batchSize %d', (batchSize) => {
    expect(codeOf(() => batches(counting(3), { batchSize }))).toBe('PW_DATA_BATCH');
    expect(codeOf(() => sequentialBatches(counting(3), batchSize))).toBe('PW_DATA_BATCH');
  });

  test('no examples, or a start before the first', () => {
    expect(codeOf(() => batches(counting(0), { batchSize: 1 }))).toBe('PW_DATA_BATCH');
    expect(codeOf(() => batches(counting(3), { batchSize: 1, start: -1 }))).toBe('PW_DATA_BATCH');
  });
});
