import { MAX_ELEMENTS, PlacewrightError } from '@placewright/ir';
import type { Dataset, ImageShape, Split } from './dataset.js';
import { words } from './random.js';

export interface SyntheticOptions {
  readonly imageShape: ImageShape;
  readonly classes: number;
  readonly seed?: number;
  /** Examples to train with; by default 4096, or fewer where they would take more than 32 MiB. */
  readonly train?: number;
  /** Examples to test with; by default a quarter of that. */
  readonly test?: number;
}

const DEFAULT_BYTES = 2 ** 25;
/** What fits in a label of two bytes. */
const MAX_CLASSES = 65_536;
/** Each class is a pattern of at most this many squares in each direction. */
const GRID = 8;

/**
 * Images that a model can learn without any file: each class has a random pattern of squares, and each image is that of
 * its class under noise. The same options give the same bytes everywhere. Throws PW_DATA_SYNTHETIC, PW_DATA_TOO_LARGE.
 */
export function synthetic(options: SyntheticOptions): Dataset {
  const { imageShape, classes, seed = 0 } = options;
  for (const dim of imageShape) checkCount('a dimension', dim, 1);
  checkCount('classes', classes, 1, MAX_CLASSES);
  const bytes = imageShape.reduce((n, dim) => n * dim, 1);
  const { train = Math.max(1, Math.min(4096, Math.floor(DEFAULT_BYTES / bytes))) } = options;
  const { test = Math.ceil(train / 4) } = options;
  for (const [what, count] of [
    ['train', train],
    ['test', test],
  ] as const) {
    checkCount(what, count, 0);
    if (count * bytes <= MAX_ELEMENTS) continue;
    throw new PlacewrightError(
      'PW_DATA_TOO_LARGE',
      `${count} images of ${imageShape.join('×')} are asked for`,
      {
        hint: `at most ${MAX_ELEMENTS} bytes; ask for fewer or smaller ones`,
      },
    );
  }
  const patterns = drawPatterns(imageShape, classes, seed);
  return {
    name: 'synthetic',
    imageShape,
    classes,
    train: drawSplit(patterns, train, seed, 0),
    test: drawSplit(patterns, test, seed, 1),
  };
}

interface Patterns {
  readonly imageShape: ImageShape;
  readonly classes: number;
  /** Brightness of each square, `[classes, squares]`. */
  readonly squares: Uint8Array;
  /** Squares of one class. */
  readonly count: number;
  /** Square that each byte of an image lies in. */
  readonly squareOf: Uint32Array;
}

function drawPatterns(imageShape: ImageShape, classes: number, seed: number): Patterns {
  const [height, width, channels] = imageShape;
  const rows = Math.min(GRID, height);
  const columns = Math.min(GRID, width);
  const count = rows * columns * channels;
  const squares = Uint8Array.from(
    words(classes * count, { seed, stream: 'patterns', part: 0 }),
    (word) => word >>> 24,
  );
  const squareOf = Uint32Array.from({ length: height * width * channels }, (_, i) => {
    const row = Math.floor((Math.floor(i / (width * channels)) * rows) / height);
    const column = Math.floor(((Math.floor(i / channels) % width) * columns) / width);
    return (row * columns + column) * channels + (i % channels);
  });
  return { imageShape, classes, squares, count, squareOf };
}

/** Part 0 is to train with and 1 to test with: other labels and other noise. */
function drawSplit(patterns: Patterns, count: number, seed: number, part: number): Split {
  const { imageShape, classes, squareOf } = patterns;
  const draws = words(count, { seed, stream: 'labels', part });
  const labels = classes <= 256 ? new Uint8Array(count) : new Uint16Array(count);
  draws.forEach((word, i) => {
    labels[i] = Math.floor((word / 2 ** 32) * classes);
  });
  const images = new Uint8Array(count * squareOf.length);
  for (let i = 0; i < count; i++)
    drawImage(patterns, images.subarray(i * squareOf.length), labels[i] ?? 0, { seed, part: part + 2 * i });
  return { count, imageShape, images, labels };
}

/** Three parts of the pattern and one of noise. */
function drawImage(
  patterns: Patterns,
  image: Uint8Array,
  label: number,
  draw: { seed: number; part: number },
): void {
  const { squares, squareOf, count } = patterns;
  const noise = words(Math.ceil(squareOf.length / 4), { ...draw, stream: 'noise' });
  for (let i = 0; i < squareOf.length; i++) {
    const pattern = squares[label * count + (squareOf[i] ?? 0)] ?? 0;
    const byte = ((noise[i >> 2] ?? 0) >>> (8 * (i & 3))) & 0xff;
    image[i] = (3 * pattern + byte) >> 2;
  }
}

function checkCount(what: string, value: number, least: number, most = MAX_ELEMENTS): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new PlacewrightError('PW_DATA_SYNTHETIC', `${what} of synthetic data cannot be ${String(value)}`, {
    hint: `a whole number from ${least} to ${most}`,
  });
}
