import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { MAX_ELEMENTS, PlacewrightError } from '@placewright/ir';
import type { Dataset, ImageShape, Split } from './dataset.js';

/** Bytes of an IDX file: its dimensions, and its elements row-major. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const MAX_RANK = 4;

/**
 * An IDX file of unsigned bytes (LeCun's format of the MNIST files), without a copy of its elements.
 * Throws PW_DATA_MAGIC, PW_DATA_DTYPE, PW_DATA_RANK, PW_DATA_SHAPE, PW_DATA_TOO_LARGE, PW_DATA_TRUNCATED, PW_DATA_TRAILING.
 */
export function parseIdx(bytes: Uint8Array, file?: string): IdxArray {
  const fail = failAt(file);
  const rank = checkMagic(bytes, fail);
  const header = 4 + 4 * rank;
  if (bytes.length < header) {
    throw fail(
      'PW_DATA_TRUNCATED',
      `the header takes ${header} bytes and the file has ${bytes.length}`,
      'fetch the file again',
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const count = checkShape(shape, fail);
  const have = bytes.length - header;
  if (have < count) {
    throw fail(
      'PW_DATA_TRUNCATED',
      `[${shape.join(', ')}] takes ${count} bytes and ${have} are there`,
      'fetch the file again',
    );
  }
  if (have > count) {
    throw fail(
      'PW_DATA_TRAILING',
      `[${shape.join(', ')}] takes ${count} bytes and ${have} are there`,
      'the header does not fit the file',
    );
  }
  return { shape, data: bytes.subarray(header) };
}

/** Reads an IDX file. Throws PW_DATA_FILE when it cannot be read, and what `parseIdx` throws. */
export function readIdx(file: string): IdxArray {
  return parseIdx(readBytes(file), file);
}

export interface IdxFiles {
  readonly images: string;
  readonly labels: string;
}

/**
 * Images `[n, height, width]` or `[n, height, width, channels]` and labels `[n]` of two IDX files.
 * Throws PW_DATA_RANK, PW_DATA_COUNT, PW_DATA_LABEL, and what `readIdx` throws.
 */
export function readIdxSplit(files: IdxFiles, classes: number): Split {
  return idxSplit(readIdx(files.images), readIdx(files.labels), classes, files);
}

/** As `readIdxSplit`, of arrays that are in memory. */
export function idxSplit(images: IdxArray, labels: IdxArray, classes: number, files?: IdxFiles): Split {
  const [count, height, width, channels = 1] = images.shape;
  if (count === undefined || height === undefined || width === undefined) {
    throw failAt(files?.images)(
      'PW_DATA_RANK',
      `images have ${images.shape.length} dimensions`,
      'three or four are needed',
    );
  }
  if (labels.shape.length !== 1) {
    throw failAt(files?.labels)(
      'PW_DATA_RANK',
      `labels have ${labels.shape.length} dimensions`,
      'one is needed: were the files swapped?',
    );
  }
  if (labels.shape[0] !== count) {
    throw failAt(files?.labels)(
      'PW_DATA_COUNT',
      `${count} images have ${labels.shape[0]} labels`,
      'take the two files of one set',
    );
  }
  const wrong = labels.data.findIndex((label) => label >= classes);
  if (wrong >= 0) {
    throw failAt(files?.labels)(
      'PW_DATA_LABEL',
      `label ${wrong} is ${labels.data[wrong]}, with ${classes} classes`,
      'labels count from 0',
    );
  }
  const imageShape: ImageShape = [height, width, channels];
  return { count, imageShape, images: images.data, labels: labels.data };
}

/** A data set of four IDX files. Throws PW_DATA_SHAPE where the two parts' images differ in size. */
export function readIdxDataset(
  name: string,
  classes: number,
  files: { readonly train: IdxFiles; readonly test: IdxFiles },
): Dataset {
  const train = readIdxSplit(files.train, classes);
  const test = readIdxSplit(files.test, classes);
  if (train.imageShape.some((dim, i) => dim !== test.imageShape[i])) {
    throw failAt(files.test.images)(
      'PW_DATA_SHAPE',
      `images are ${test.imageShape.join('×')}, those to train with ${train.imageShape.join('×')}`,
      'take the files of one data set',
    );
  }
  return { name, imageShape: train.imageShape, classes, train, test };
}

type Fail = (code: string, message: string, hint: string) => PlacewrightError;

function failAt(file: string | undefined): Fail {
  return (code, message, hint) =>
    new PlacewrightError(code, message, { hint, ...(file === undefined ? {} : { where: { file } }) });
}

/** Checks `0 0 type rank` and gives the rank. */
function checkMagic(bytes: Uint8Array, fail: Fail): number {
  const [zero0, zero1, type, rank = 0] = bytes;
  if (zero0 === 0x1f && zero1 === 0x8b)
    throw fail('PW_DATA_MAGIC', 'the file is compressed (gzip)', 'unpack it with gunzip');
  if (bytes.length < 4 || zero0 !== 0 || zero1 !== 0) {
    const found = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw fail(
      'PW_DATA_MAGIC',
      `the file begins with ${found === '' ? 'nothing' : found}, not as an IDX file`,
      'IDX files begin with 00 00',
    );
  }
  if (type !== 0x08)
    throw fail(
      'PW_DATA_DTYPE',
      `elements are of type 0x${type?.toString(16)}`,
      'only unsigned bytes (0x8) are read',
    );
  if (rank < 1 || rank > MAX_RANK)
    throw fail('PW_DATA_RANK', `the file has ${rank} dimensions`, `1 to ${MAX_RANK} are read`);
  return rank;
}

/** Number of elements: within what a tensor may have, checked before anything is multiplied out of range. */
function checkShape(shape: readonly number[], fail: Fail): number {
  let count = 1;
  for (const dim of shape) {
    if (dim === 0) throw fail('PW_DATA_SHAPE', `the dimensions are [${shape.join(', ')}]`, 'none may be 0');
    count *= dim;
    if (count > MAX_ELEMENTS) {
      throw fail(
        'PW_DATA_TOO_LARGE',
        `the dimensions are [${shape.join(', ')}]`,
        `at most ${MAX_ELEMENTS} elements are read`,
      );
    }
  }
  return count;
}

function readBytes(file: string): Uint8Array {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const { size } = fstatSync(descriptor);
    if (size > MAX_ELEMENTS)
      throw failAt(file)(
        'PW_DATA_TOO_LARGE',
        `the file has ${size} bytes`,
        `at most ${MAX_ELEMENTS} are read`,
      );
    // Exactly the file and no pool of its own beside it: the elements stay views of this one buffer.
    const bytes = new Uint8Array(size);
    let at = 0;
    for (let got = -1; at < size && got !== 0; at += got)
      got = readSync(descriptor, bytes, at, size - at, at);
    return bytes.subarray(0, at);
  } catch (cause) {
    if (cause instanceof PlacewrightError) throw cause;
    throw new PlacewrightError(
      'PW_DATA_FILE',
      `cannot read the data: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        where: { file },
        hint: 'check the path and the rights',
        cause,
      },
    );
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
