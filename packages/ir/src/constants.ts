import { DTYPE_BYTES, type DType, isDType } from './dtype.js';
import { PlacewrightError } from './errors.js';
import { elementCount, formatShape } from './shape.js';
import { allocate, bytesOf, type TensorValue, tensorValue } from './tensor.js';
import { sha256 } from './text/sha256.js';

/** Constants of up to this many elements stand in the text itself. */
export const INLINE_ELEMENTS = 8;

/** Constants by content hash (`sha256:` and 32 hex digits): what a text form leaves out. */
export type ConstantTable = ReadonlyMap<string, TensorValue>;

const HASH = /^sha256:[0-9a-f]{32}$/;
const MAGIC = 'PWCONST1';
/** Magic, then the length of the JSON index as a little-endian u32. */
const PREFIX_BYTES = 12;
const ALIGN = 8;
// Values are immutable, so that a hash once made stays right.
const hashes = new WeakMap<TensorValue, string>();

/** Hash of dtype, shape and bytes: the first 128 bits of SHA-256. Equal for equal constants, whatever their node. */
export function constantHash(value: TensorValue): string {
  const known = hashes.get(value);
  if (known !== undefined) return known;
  const header = new TextEncoder().encode(`${value.dtype}${formatShape(value.shape)}\n`);
  const bytes = new Uint8Array(header.length + value.data.byteLength);
  bytes.set(header);
  bytes.set(bytesOf(value), header.length);
  const hash = `sha256:${sha256(bytes).slice(0, 32)}`;
  hashes.set(value, hash);
  return hash;
}

interface IndexRow {
  readonly hash: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Where the bytes begin, counted from the first one after the index. */
  readonly offset: number;
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;

/**
 * The constants as one file: `PWCONST1`, the length of the index (u32, little-endian), the index as JSON
 * (`[{hash, dtype, shape, offset}]`), then each constant's elements, row-major, little-endian, from multiples of 8 bytes.
 */
export function encodeConstants(constants: ConstantTable): Uint8Array {
  let offset = 0;
  const rows: IndexRow[] = [];
  for (const [hash, { dtype, shape, data }] of constants) {
    rows.push({ hash, dtype, shape, offset });
    offset = aligned(offset + data.byteLength);
  }
  const index = new TextEncoder().encode(JSON.stringify(rows));
  const start = aligned(PREFIX_BYTES + index.length);
  const file = new Uint8Array(start + offset);
  file.set(new TextEncoder().encode(MAGIC));
  new DataView(file.buffer).setUint32(MAGIC.length, index.length, true);
  file.set(index, PREFIX_BYTES);
  for (const { hash, offset: at } of rows) {
    const value = constants.get(hash);
    if (value !== undefined) file.set(bytesOf(value), start + at);
  }
  return file;
}

/** Whether a file begins as `encodeConstants` lets one begin; its first 12 bytes are enough to tell. */
export function isConstantsFile(file: Uint8Array): boolean {
  const magic = new TextDecoder('latin1').decode(file.subarray(0, MAGIC.length));
  return magic === MAGIC && file.length >= PREFIX_BYTES;
}

/** Reads what `encodeConstants` wrote and checks every hash. Throws PW_CONSTANTS. */
export function decodeConstants(file: Uint8Array, name = 'the constants'): Map<string, TensorValue> {
  if (!isConstantsFile(file)) throw badFile(name, `is not a constants file`);
  const indexBytes = new DataView(file.buffer, file.byteOffset).getUint32(MAGIC.length, true);
  const start = aligned(PREFIX_BYTES + indexBytes);
  if (PREFIX_BYTES + indexBytes > file.length) throw badFile(name, 'ends within its index');
  const out = new Map<string, TensorValue>();
  for (const row of readIndex(file.subarray(PREFIX_BYTES, PREFIX_BYTES + indexBytes), name)) {
    if (out.has(row.hash)) throw badFile(name, `holds ${row.hash} twice`);
    const value = readRow(file, start, row, name);
    if (constantHash(value) !== row.hash) throw badFile(name, `is damaged: ${row.hash} has other bytes`);
    out.set(row.hash, value);
  }
  return out;
}

function badFile(name: string, fault: string): PlacewrightError {
  return new PlacewrightError('PW_CONSTANTS', `${name} ${fault}`, {
    hint: 'write the module again, with its constants file beside it',
  });
}

function readIndex(bytes: Uint8Array, name: string): readonly IndexRow[] {
  let index: unknown;
  try {
    index = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw badFile(name, 'has an index that is not JSON');
  }
  if (!Array.isArray(index) || !index.every(isRow)) throw badFile(name, 'has a malformed index');
  return index;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function isRow(row: unknown): row is IndexRow {
  if (typeof row !== 'object' || row === null) return false;
  const { hash, dtype, shape, offset } = row as Partial<Record<keyof IndexRow, unknown>>;
  return (
    typeof hash === 'string' &&
    HASH.test(hash) &&
    typeof dtype === 'string' &&
    isDType(dtype) &&
    Array.isArray(shape) &&
    shape.every(isCount) &&
    isCount(offset)
  );
}

function readRow(file: Uint8Array, start: number, row: IndexRow, name: string): TensorValue {
  const { dtype, shape, offset } = row;
  const count = elementCount(shape) ?? 0;
  const from = start + offset;
  const bytes = count * elementBytes(dtype);
  if (from + bytes > file.length) throw badFile(name, `ends within ${row.hash}`);
  return tensorFromBytes(dtype, shape, file.subarray(from, from + bytes));
}

/** Bytes an element takes in memory: half precision is held as float32. */
function elementBytes(dtype: DType): number {
  return dtype === 'float16' || dtype === 'bfloat16' ? 4 : DTYPE_BYTES[dtype];
}

/** A value of the given raw bytes, copied. Throws PW_TENSOR_SIZE when they do not fill the shape, PW_DTYPE_UNSUPPORTED. */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): TensorValue {
  const size = elementBytes(dtype);
  const count = elementCount(shape) ?? 0;
  if (bytes.length !== count * size) {
    throw new PlacewrightError(
      'PW_TENSOR_SIZE',
      `a ${dtype} tensor of shape ${formatShape(shape)} needs ${count * size} bytes and got ${bytes.length}`,
    );
  }
  const data = allocate(dtype, count);
  new Uint8Array(data.buffer).set(bytes);
  return tensorValue(dtype, shape, data);
}
