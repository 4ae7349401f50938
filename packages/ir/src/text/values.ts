import type { Attr } from '../attr.js';
import type { ConstantTable } from '../constants.js';
import { constantHash } from '../constants.js';
import { DTYPES, type DType, isDType } from '../dtype.js';
import { PlacewrightError } from '../errors.js';
import { type Dim, elementCount, MAX_ELEMENTS, type Shape, sameShape, type TensorType } from '../shape.js';
import { allocate, type TensorData, type TensorValue, tensorValue } from '../tensor.js';
import type { Cursor } from './cursor.js';

/** As TensorFlow's. */
export const MAX_RANK = 254;
const SAFE = Number.MAX_SAFE_INTEGER;

/** Items between brackets, comma between them; the opening bracket has been read. */
export function listOf<T>(cursor: Cursor, close: string, item: () => T): T[] {
  const items: T[] = [];
  if (cursor.accept(close)) return items;
  do items.push(item());
  while (cursor.accept(','));
  cursor.expect(close);
  return items;
}

/** `[?, 28, 1]`. */
export function parseShape(cursor: Cursor): Shape {
  const at = cursor.pos;
  cursor.expect('[');
  const shape = listOf(
    cursor,
    ']',
    (): Dim => (cursor.accept('?') ? null : cursor.int('a dimension', 0, MAX_ELEMENTS)),
  );
  if (shape.length > MAX_RANK) {
    throw cursor.fault(`a shape of rank ${shape.length}`, { at, hint: `at most ${MAX_RANK}` });
  }
  located(cursor, at, () => elementCount(shape));
  return shape;
}

/** `float32[?, 10]`. */
export function parseType(cursor: Cursor): TensorType {
  const dtype = cursor.oneOf(DTYPES, 'dtype');
  return { dtype, shape: parseShape(cursor) };
}

/** Runs `body`; what it throws gets a place in the text. */
export function located<T>(cursor: Cursor, at: number, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof PlacewrightError)) throw error;
    throw cursor.fault(error.message, { at, hint: error.hint, cause: error });
  }
}

/** An attribute's value; its looks tell its kind. Constants named by hash come from `constants`. */
export function parseAttr(cursor: Cursor, constants: ConstantTable): Attr {
  const next = cursor.peek();
  if (next === '"') return { kind: 'string', value: cursor.string('a string') };
  if (next === '[') return bareList(cursor);
  const number = cursor.tryNumber();
  if (number !== null) return numberAttr(cursor, number);
  const at = cursor.pos;
  const word = cursor.word('a value');
  if (isDType(word)) return dtypeAttr(cursor, word, at, constants);
  switch (word) {
    case 'true':
    case 'false':
      return { kind: 'bool', value: word === 'true' };
    case 'shape':
      return { kind: 'shape', value: parseShape(cursor) };
    case 'ints':
      return { kind: 'ints', value: bracketed(cursor, () => cursor.int('an integer', -SAFE, SAFE)) };
    case 'floats':
      return { kind: 'floats', value: bracketed(cursor, () => cursor.float('a float')) };
    case 'strings':
      return { kind: 'strings', value: bracketed(cursor, () => cursor.name('a string')) };
    default:
      return { kind: 'string', value: word };
  }
}

function bracketed<T>(cursor: Cursor, item: () => T): T[] {
  cursor.expect('[');
  return listOf(cursor, ']', item);
}

const looksInt = (token: string): boolean => /^[+-]?\d+$/.test(token);

function numberAttr(cursor: Cursor, token: string): Attr {
  return looksInt(token)
    ? { kind: 'int', value: cursor.toInt(token, 'an integer', -SAFE, SAFE) }
    : { kind: 'float', value: cursor.toFloat(token, 'a float') };
}

/** A list without its kind before it: the first item tells. */
function bareList(cursor: Cursor): Attr {
  const at = cursor.pos;
  cursor.expect('[');
  const token = cursor.tryNumber();
  cursor.pos = at;
  if (token !== null && looksInt(token)) {
    return { kind: 'ints', value: bracketed(cursor, () => cursor.int('an integer', -SAFE, SAFE)) };
  }
  if (token !== null) return { kind: 'floats', value: bracketed(cursor, () => cursor.float('a float')) };
  const value = bracketed(cursor, () => cursor.name('a string'));
  if (value.length > 0) return { kind: 'strings', value };
  throw cursor.fault('the kind of an empty list is not clear', {
    at,
    hint: 'write ints[], floats[], strings[] or shape[]',
  });
}

function dtypeAttr(cursor: Cursor, dtype: DType, at: number, constants: ConstantTable): Attr {
  if (cursor.peek() !== '[') return { kind: 'dtype', value: dtype };
  const shape = parseShape(cursor);
  const known = shape.filter((dim) => dim !== null);
  if (known.length < shape.length) {
    throw cursor.fault('a constant has no unknown dimension', { at, hint: 'write a number for each ?' });
  }
  cursor.expect('(', 'the elements follow in brackets, or the hash of the constant');
  const hash = cursor.tryHash();
  if (hash === null) return { kind: 'tensor', value: inlineTensor(cursor, dtype, known, at) };
  cursor.expect(')');
  return { kind: 'tensor', value: tableTensor(cursor, { dtype, shape: known, hash, at }, constants) };
}

function inlineTensor(cursor: Cursor, dtype: DType, shape: readonly number[], at: number): TensorValue {
  const tokens = listOf(cursor, ')', () => {
    const token = cursor.tryNumber();
    if (token === null) {
      throw cursor.fault(`expected a number, found ${cursor.found()}`, {
        hint: `elements of ${dtype} stand with commas between them, up to a )`,
      });
    }
    return dtype.includes('int') || dtype === 'bool'
      ? integerElement(cursor, token, dtype)
      : cursor.toFloat(token, 'an element');
  });
  return located(cursor, at, () => {
    const data = allocate(dtype, tokens.length);
    fill(data, tokens);
    return tensorValue(dtype, shape, data);
  });
}

/** Limits of the integer types but int64; `bool` is held in bytes. */
const RANGES: ReadonlyMap<DType, readonly [number, number]> = new Map([
  ['int32', [-(2 ** 31), 2 ** 31 - 1]],
  ['uint8', [0, 255]],
  ['bool', [0, 255]],
]);

function integerElement(cursor: Cursor, token: string, dtype: DType): number | bigint {
  const range = RANGES.get(dtype);
  if (range !== undefined) return cursor.toInt(token, `an element of ${dtype}`, ...range);
  if (looksInt(token) && token.length <= 20) {
    const value = BigInt(token);
    if (BigInt.asIntN(64, value) === value) return value;
  }
  throw cursor.fault(`an element of ${dtype} cannot be ${token.slice(0, 40)}`, {
    at: cursor.pos - token.length,
    hint: 'write a whole number from -2⁶³ to 2⁶³ − 1',
  });
}

function fill(data: TensorData, items: readonly (number | bigint)[]): void {
  if (data instanceof BigInt64Array) for (let i = 0; i < items.length; i++) data[i] = BigInt(items[i] ?? 0);
  else data.set(items.map(Number));
}

interface HashedConstant extends TensorType {
  readonly hash: string;
  readonly shape: readonly number[];
  readonly at: number;
}

function tableTensor(cursor: Cursor, want: HashedConstant, constants: ConstantTable): TensorValue {
  const { hash, at } = want;
  const value = constants.get(hash);
  if (value === undefined) {
    throw cursor.fault(`the constant ${hash.slice(0, 80)} is missing`, {
      code: 'PW_PARSE_CONSTANT',
      at,
      hint: 'give the constants file that was written with the text',
    });
  }
  if (value.dtype !== want.dtype || !sameShape(value.shape, want.shape) || constantHash(value) !== hash) {
    throw cursor.fault(`the constant ${hash} is another one than the text means`, {
      code: 'PW_PARSE_CONSTANT',
      at,
      hint: 'the text and its constants file do not belong together',
    });
  }
  return value;
}
