import { toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { parseTensors, readTensors } from '../src/index.js';
import { codeOf, thrown } from './errors.js';

const base64 = (data: Float32Array | Int32Array | Uint8Array | BigInt64Array): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

const floats = (shape: readonly number[], values: readonly number[]) => ({
  shape,
  dtype: 'float32',
  base64: base64(Float32Array.from(values)),
});
const ints = (shape: readonly number[], values: readonly number[]) => ({
  shape,
  dtype: 'int32',
  base64: base64(Int32Array.from(values)),
});

const batch = { images: floats([2, 1, 1, 2], [0, 1, 254.5, 255]), labels: ints([2], [0, 9]) };
const file = (change: object): string => JSON.stringify({ initial: {}, batch, ...change });
const initial = (tensor: unknown): string => file({ initial: { w: tensor } });

test('tensors come as they were written', () => {
  const weights = [0.1, -0, 3e-45, 3.4e38, 1, 2];
  const tensors = parseTensors(initial(floats([2, 3], weights)), { classes: 10 });
  const w = tensors.initial.get('w');
  expect(w).toMatchObject({ dtype: 'float32', shape: [2, 3], data: Float32Array.from(weights) });
  expect(toNumbers(tensors.batch.images)).toEqual([0, 1, 254.5, 255]);
  expect(toNumbers(tensors.batch.labels)).toEqual([0, 9]);
});

test('other dtypes, scalars and empty tensors', () => {
  const read = (tensor: unknown) => parseTensors(initial(tensor)).initial.get('w')?.data;
  expect(read({ shape: [], dtype: 'int64', base64: base64(BigInt64Array.of(-5n)) })).toEqual(
    BigInt64Array.of(-5n),
  );
  expect(read({ shape: [2], dtype: 'bool', base64: base64(Uint8Array.of(1, 0)) })).toEqual(
    Uint8Array.of(1, 0),
  );
  expect(read({ shape: [3, 0], dtype: 'float32', base64: '' })).toEqual(new Float32Array(0));
});

test('names may be anything', () => {
  const text = `{"initial": {"__proto__": ${JSON.stringify(floats([1], [7]))}, "constructor": ${JSON.stringify(floats([1], [8]))}}, "batch": ${JSON.stringify(batch)}}`;
  const tensors = parseTensors(text);
  expect([...tensors.initial.keys()]).toEqual(['__proto__', 'constructor']);
  expect('shape' in {}).toBe(false);
});

describe('refused', () => {
  const good = floats([3], [1, 2, 3]);
  test.each([
    ['a file that was cut off', file({}).slice(0, -20), 'PW_TENSORS_JSON'],
    ['a list', '[]', 'PW_TENSORS_FORM'],
    ['no initial values', JSON.stringify({ batch }), 'PW_TENSORS_FORM'],
    ['no batch', JSON.stringify({ initial: {} }), 'PW_TENSORS_FORM'],
    ['no labels', file({ batch: { images: batch.images } }), 'PW_TENSORS_FORM'],
    ['null for a tensor', initial(null), 'PW_TENSORS_FORM'],
    ['fields under a prototype', '{"__proto__": {"initial": {}, "batch": {}}}', 'PW_TENSORS_FORM'],
    ['an unknown dtype', initial({ ...good, dtype: 'float8' }), 'PW_TENSORS_DTYPE'],
    ['a dtype of the object prototype', initial({ ...good, dtype: 'toString' }), 'PW_TENSORS_DTYPE'],
    ['strings', initial({ ...good, dtype: 'string' }), 'PW_TENSORS_DTYPE'],
    ['no dtype', initial({ shape: [1], base64: '' }), 'PW_TENSORS_DTYPE'],
    ['a negative dimension', initial({ ...good, shape: [-3] }), 'PW_TENSORS_SHAPE'],
    ['half a dimension', initial({ ...good, shape: [1.5, 2] }), 'PW_TENSORS_SHAPE'],
    ['dimensions in words', initial({ ...good, shape: ['3'] }), 'PW_TENSORS_SHAPE'],
    ['an absurd shape', initial({ ...good, shape: [1e9, 1e9] }), 'PW_SHAPE_TOO_LARGE'],
    ['more elements than there are', initial({ ...good, shape: [4] }), 'PW_TENSORS_SIZE'],
    ['fewer elements than there are', initial({ ...good, shape: [2] }), 'PW_TENSORS_SIZE'],
    ['a number for base64', initial({ ...good, base64: 16 }), 'PW_TENSORS_SIZE'],
    ['other characters', initial({ ...good, base64: `***${good.base64.slice(3)}` }), 'PW_TENSORS_BASE64'],
    [
      'padding too early',
      initial({ ...good, base64: `${good.base64.slice(0, 12)}AA==` }),
      'PW_TENSORS_BASE64',
    ],
    [
      'a bool of 2',
      initial({ shape: [1], dtype: 'bool', base64: base64(Uint8Array.of(2)) }),
      'PW_TENSORS_VALUE',
    ],
    ['flat images', file({ batch: { ...batch, images: floats([4], [1, 2, 3, 4]) } }), 'PW_TENSORS_BATCH'],
    ['float labels', file({ batch: { ...batch, labels: floats([2], [1, 2]) } }), 'PW_TENSORS_BATCH'],
    ['too few labels', file({ batch: { ...batch, labels: ints([1], [1]) } }), 'PW_TENSORS_BATCH'],
    ['a negative label', file({ batch: { ...batch, labels: ints([2], [1, -1]) } }), 'PW_TENSORS_LABEL'],
    [
      'a label that is no class',
      file({ batch: { ...batch, labels: ints([2], [1, 10]) } }),
      'PW_TENSORS_LABEL',
    ],
  ])('%s', (_what, text, code) => {
    expect(codeOf(() => parseTensors(text, { classes: 10 }))).toBe(code);
  });

  test('a deep value in a message is cut short', () => {
    expect(
      codeOf(() => parseTensors(`{"initial": {"w": {"dtype": ${'['.repeat(5000)}${']'.repeat(5000)}}}}`)),
    ).toBe('PW_TENSORS_DTYPE');
  });

  test('NaN and infinity, with the name and the index', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const error = thrown(() => parseTensors(initial(floats([3], [1, value, 3])), { file: 'x.json' }));
      expect([error.code, error.where.file]).toEqual(['PW_TENSORS_NAN', 'x.json']);
      expect(error.message).toBe(`element 1 of tensor "w" is ${value}`);
    }
  });

  test('a file that is not there', () => {
    expect(thrown(() => readTensors('/nowhere/x.json'))).toMatchObject({
      code: 'PW_TENSORS_FILE',
      where: { file: '/nowhere/x.json' },
    });
  });
});
