import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PlacewrightError } from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idxSplit, parseIdx, readIdx, readIdxDataset, readIdxSplit } from '../src/index.js';
import { codeOf, thrown } from './errors.js';

/** An IDX file of bytes 0, 1, 2, …; `size` is what is really there. */
function idx(shape: readonly number[], size = shape.reduce((n, dim) => n * dim, 1)): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + size);
  bytes.set([0, 0, 8, shape.length]);
  const view = new DataView(bytes.buffer);
  for (const [i, dim] of shape.entries()) view.setUint32(4 + 4 * i, dim);
  for (let i = 0; i < size; i++) bytes[4 + 4 * shape.length + i] = i;
  return bytes;
}

const withByte = (bytes: Uint8Array, at: number, value: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? value : byte));

test('elements are read without a copy, from a view too', () => {
  const bytes = new Uint8Array([9, 9, ...idx([2, 3])]).subarray(2);
  const { shape, data } = parseIdx(bytes);
  expect(shape).toEqual([2, 3]);
  expect([...data]).toEqual([0, 1, 2, 3, 4, 5]);
  expect(data.buffer).toBe(bytes.buffer);
});

test.each([
  ['nothing', new Uint8Array(0), 'PW_DATA_MAGIC'],
  ['text', new TextEncoder().encode('<html>not found</html>'), 'PW_DATA_MAGIC'],
  ['a gzip file', new Uint8Array([0x1f, 0x8b, 8, 0]), 'PW_DATA_MAGIC'],
  ['float elements', withByte(idx([2]), 2, 0x0d), 'PW_DATA_DTYPE'],
  ['no dimensions', withByte(idx([2]), 3, 0), 'PW_DATA_RANK'],
  ['255 dimensions', withByte(idx([2]), 3, 255), 'PW_DATA_RANK'],
  ['half a header', idx([2, 3]).subarray(0, 9), 'PW_DATA_TRUNCATED'],
  ['fewer elements than it says', idx([2, 3], 5), 'PW_DATA_TRUNCATED'],
  ['more elements than it says', idx([2, 3], 7), 'PW_DATA_TRAILING'],
  ['a dimension of 0', idx([0, 28, 28]), 'PW_DATA_SHAPE'],
  ['absurd dimensions', idx([0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], 0), 'PW_DATA_TOO_LARGE'],
])('%s is refused', (_what, bytes, code) => {
  const error = thrown(() => parseIdx(bytes, 'x.idx'));
  expect([error.code, error.where.file]).toEqual([code, 'x.idx']);
});

test('any bytes give an array that fills its shape, or an error of ours', () => {
  const header = fc.tuple(
    fc.constantFrom(0, 0, 31),
    fc.constantFrom(0, 139),
    fc.constantFrom(8, 8, 13),
    fc.nat(6),
  );
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 40 }), (start, rest) => {
      try {
        const { shape, data } = parseIdx(new Uint8Array([...start, ...rest]));
        expect(data.length).toBe(shape.reduce((n, dim) => n * dim, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(PlacewrightError);
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});

describe('images and labels', () => {
  const images = parseIdx(idx([3, 2, 2]));

  test('fit together', () => {
    const split = idxSplit(images, parseIdx(idx([3])), 3);
    expect([split.count, split.imageShape, [...split.labels]]).toEqual([3, [2, 2, 1], [0, 1, 2]]);
    expect(idxSplit(parseIdx(idx([1, 2, 2, 3])), parseIdx(idx([1])), 3).imageShape).toEqual([2, 2, 3]);
  });

  test.each([
    ['too few labels', idx([3, 2, 2]), idx([2]), 'PW_DATA_COUNT'],
    ['a label that is no class', idx([4, 2, 2]), idx([4]), 'PW_DATA_LABEL'],
    ['files swapped', idx([3]), idx([3, 2, 2]), 'PW_DATA_RANK'],
    ['images for labels', idx([3, 2, 2]), idx([3, 2, 2]), 'PW_DATA_RANK'],
  ])('%s is refused', (_what, first, second, code) => {
    expect(codeOf(() => idxSplit(parseIdx(first), parseIdx(second), 3))).toBe(code);
  });
});

describe('files', () => {
  const inDirectory = (body: (directory: string) => void): void => {
    const directory = mkdtempSync(join(tmpdir(), 'idx-'));
    try {
      body(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
  const write = (directory: string, name: string, bytes: Uint8Array): string => {
    const file = join(directory, name);
    writeFileSync(file, bytes);
    return file;
  };

  test('two of images and labels make a split, four a data set', () => {
    inDirectory((directory) => {
      const images = write(directory, 'images', idx([3, 2, 2]));
      const labels = write(directory, 'labels', idx([3]));
      const larger = write(directory, 'larger', idx([3, 4, 4]));
      expect(readIdxSplit({ images, labels }, 10).count).toBe(3);
      const files = { images, labels };
      const set = readIdxDataset('mine', 10, { train: files, test: files });
      expect([set.name, set.classes, set.imageShape, set.test.count]).toEqual(['mine', 10, [2, 2, 1], 3]);
      expect(
        codeOf(() => readIdxDataset('mine', 10, { train: files, test: { images: larger, labels } })),
      ).toBe('PW_DATA_SHAPE');
      expect(thrown(() => readIdxSplit({ images, labels: images }, 10)).where.file).toBe(images);
    });
  });

  test('a file that is not there and a directory are refused by name', () => {
    inDirectory((directory) => {
      const missing = join(directory, 'none');
      expect(thrown(() => readIdx(missing))).toMatchObject({
        code: 'PW_DATA_FILE',
        where: { file: missing },
      });
      expect(codeOf(() => readIdx(directory))).toBe('PW_DATA_FILE');
    });
  });
});
