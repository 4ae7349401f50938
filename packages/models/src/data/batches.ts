import { PlacewrightError, tensorValue } from '@placewright/ir';
import type { Split } from './dataset.js';
import { words } from './random.js';
import type { Batch } from './tensors.js';

export interface BatchOptions {
  readonly batchSize: number;
  /** Seed of the order; the same for all of a run. */
  readonly seed?: number;
  /** Number of the first batch: a run that goes on from step n gets what it would have got. */
  readonly start?: number;
}

/**
 * Batches without end, shuffled anew in each epoch. A batch may take the last examples of one epoch and the first of the
 * next, so that each epoch shows each example once. The order depends on the seed and the number of examples alone.
 * Throws PW_DATA_BATCH.
 */
export function batches(split: Split, options: BatchOptions): IterableIterator<Batch> {
  const { batchSize, seed = 0, start = 0 } = options;
  checkCount('batchSize', batchSize, 1);
  checkCount('start', start, 0);
  if (split.count === 0)
    throw batchError('there are no examples to take batches of', 'name another data set');
  return endless(split, batchSize, seed, start);
}

function* endless(split: Split, batchSize: number, seed: number, start: number): IterableIterator<Batch> {
  let epoch = -1;
  let order: Uint32Array = new Uint32Array(0);
  for (let at = start * batchSize; ; at += batchSize) {
    const rows = new Uint32Array(batchSize);
    for (let i = 0; i < batchSize; i++) {
      const now = Math.floor((at + i) / split.count);
      if (now !== epoch) order = permutation(split.count, seed, now);
      epoch = now;
      rows[i] = order[(at + i) % split.count] ?? 0;
    }
    yield takeBatch(split, rows);
  }
}

/** All examples once in their order; the last batch may be smaller. Throws PW_DATA_BATCH. */
export function sequentialBatches(split: Split, batchSize: number): IterableIterator<Batch> {
  checkCount('batchSize', batchSize, 1);
  return once(split, batchSize);
}

function* once(split: Split, batchSize: number): IterableIterator<Batch> {
  for (let at = 0; at < split.count; at += batchSize) {
    const size = Math.min(batchSize, split.count - at);
    yield takeBatch(
      split,
      Uint32Array.from({ length: size }, (_, i) => at + i),
    );
  }
}

/** The examples of those rows, pixels as float32 of 0 to 255. */
export function takeBatch(split: Split, rows: Uint32Array): Batch {
  const [height, width, channels] = split.imageShape;
  const size = height * width * channels;
  const images = new Float32Array(rows.length * size);
  const labels = new Int32Array(rows.length);
  rows.forEach((row, i) => {
    images.set(split.images.subarray(row * size, (row + 1) * size), i * size);
    labels[i] = split.labels[row] ?? 0;
  });
  return {
    images: tensorValue('float32', [rows.length, height, width, channels], images),
    labels: tensorValue('int32', [rows.length], labels),
  };
}

/** 0 to `count` − 1 in the order of an epoch (Fisher and Yates's shuffle with counter-based draws). */
export function permutation(count: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const draws = words(count, { seed, stream: 'order', part: epoch });
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(((draws[i] ?? 0) / 2 ** 32) * (i + 1));
    const swapped = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = swapped;
  }
  return order;
}

function checkCount(what: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw batchError(`${what} cannot be ${String(value)}`, `a whole number from ${least}`);
}

function batchError(message: string, hint: string): PlacewrightError {
  return new PlacewrightError('PW_DATA_BATCH', message, { hint });
}
