import {
  DTYPE_BYTES,
  elementCount,
  formatType,
  MAX_ELEMENTS,
  PlacewrightError,
  parseJson,
  type TensorValue,
} from '@placewright/ir';
import { codeOf, DTYPE_CODES, dtypeOf, isStored, type StoredDType } from './elements.js';

// The safetensors format: the length of the header as a little-endian u64, the header as JSON, the tensors' elements
// one after the other. https://github.com/huggingface/safetensors

/** Bytes before the header. */
export const LENGTH_BYTES = 8;
/** The library's own limit, too. */
export const MAX_HEADER_BYTES = 100_000_000;
/** The header's entry that is no tensor. */
export const METADATA = '__metadata__';
const ALIGN = 8;

/** Where a tensor's elements are, counted from the first byte after the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of their elements, which lie one after the other without a gap. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** Bytes of all elements. */
export function dataBytes(entries: readonly TensorEntry[]): number {
  return entries.at(-1)?.end ?? 0;
}

/**
 * Places for tensors: wide elements first, so that each is aligned, then by name. The same tensors give the same file.
 * Throws PW_DTYPE_UNSUPPORTED for strings.
 */
export function layout(tensors: ReadonlyMap<string, TensorValue>): TensorEntry[] {
  const sorted = [...tensors].sort(
    ([a, x], [b, y]) => DTYPE_BYTES[y.dtype] - DTYPE_BYTES[x.dtype] || (a < b ? -1 : 1),
  );
  let at = 0;
  return sorted.map(([name, { dtype, shape }]) => {
    if (!isStored(dtype)) {
      throw new PlacewrightError(
        'PW_DTYPE_UNSUPPORTED',
        `tensor ${JSON.stringify(name)} is of strings, which no checkpoint can hold`,
      );
    }
    const begin = at;
    at += (elementCount(shape) ?? 0) * DTYPE_BYTES[dtype];
    return { name, dtype, shape, begin, end: at };
  });
}

/** The length and the header, padded with spaces so that the elements begin at a multiple of 8 bytes. */
export function encodeHeader({ entries, metadata }: Header): Uint8Array {
  // Written out, since a name may be `__proto__` or a number, which an object would lose or move.
  const member = (key: string, value: string): string => `${JSON.stringify(key)}:${value}`;
  const texts = [...metadata].map(([key, value]) => member(key, JSON.stringify(value)));
  const members = [
    member(METADATA, `{${texts.join(',')}}`),
    ...entries.map(({ name, dtype, shape, begin, end }) =>
      member(name, JSON.stringify({ dtype: codeOf(dtype), shape, data_offsets: [begin, end] })),
    ),
  ];
  const json = Buffer.from(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / ALIGN) * ALIGN;
  const out = Buffer.alloc(LENGTH_BYTES + length, ' ');
  out.writeBigUInt64LE(BigInt(length));
  json.copy(out, LENGTH_BYTES);
  return out;
}

/** Length of the header that a file begins with. Throws PW_CHECKPOINT_TRUNCATED, PW_CHECKPOINT_FORMAT. */
export function headerLength(start: Uint8Array, fileBytes: number): number {
  if (start.length < LENGTH_BYTES) throw truncated(`it ends after ${fileBytes} bytes`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw badFormat(`its header would be ${length} bytes long, and can be ${MAX_HEADER_BYTES} at most`);
  }
  if (LENGTH_BYTES + Number(length) > fileBytes) {
    throw truncated(
      `it ends within its header, after ${fileBytes} of ${LENGTH_BYTES + Number(length)} bytes`,
    );
  }
  return Number(length);
}

/**
 * Reads a header (without the length before it) and checks all of it against the number of bytes that follow.
 * Throws PW_CHECKPOINT_FORMAT, PW_CHECKPOINT_TRUNCATED with the first thing that is wrong.
 */
export function parseHeader(bytes: Uint8Array, bytesAfter: number): Header {
  const members = new Map(Object.entries(fieldsOf(parseText(bytes), 'its header')));
  const metadata = metadataOf(members.get(METADATA));
  members.delete(METADATA);
  const entries = [...members].map(([name, value]) => entryOf(name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkPlaces(entries, bytesAfter);
  return { entries, metadata };
}

function parseText(bytes: Uint8Array): unknown {
  if (bytes[0] !== 0x7b) throw badFormat('its header does not begin with {');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badFormat('its header is not UTF-8');
  }
  return parseJson(text, {
    code: 'PW_CHECKPOINT_FORMAT',
    message: 'this is no checkpoint: its header is not JSON',
    hint: HINT,
  });
}

function fieldsOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw badFormat(`${what} is not an object`);
}

function metadataOf(value: unknown): Map<string, string> {
  const out = new Map<string, string>();
  if (value === undefined) return out;
  for (const [key, text] of Object.entries(fieldsOf(value, METADATA))) {
    if (typeof text !== 'string') throw badFormat(`${METADATA} has a ${quoted(key)} that is not a string`);
    out.set(key, text);
  }
  return out;
}

function entryOf(name: string, value: unknown): TensorEntry {
  const what = `tensor ${quoted(name)}`;
  const fields = new Map(Object.entries(fieldsOf(value, what)));
  const code = fields.get('dtype');
  const dtype = typeof code === 'string' ? dtypeOf(code) : undefined;
  if (dtype === undefined) {
    throw badFormat(
      `${what} has the dtype ${quoted(String(code))}, which is none of ${DTYPE_CODES.join(', ')}`,
    );
  }
  const shape = fields.get('shape');
  if (!isCounts(shape) || shape.length > MAX_RANK) throw badFormat(`${what} has a malformed shape`);
  const offsets = fields.get('data_offsets');
  const [begin, end] = isCounts(offsets) ? offsets : [];
  if (begin === undefined || end === undefined || !isCounts(offsets) || offsets.length !== 2) {
    throw badFormat(`${what} has malformed data_offsets`);
  }
  const count = shape.reduce((n, dim) => n * dim, 1);
  if (!(count <= MAX_ELEMENTS)) throw badFormat(`${what} would have ${count} elements`);
  if (end - begin !== count * DTYPE_BYTES[dtype]) {
    const type = formatType({ dtype, shape });
    throw badFormat(
      `${what} is ${type}, ${count * DTYPE_BYTES[dtype]} bytes, and has the bytes ${begin} to ${end}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

const MAX_RANK = 64;

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** The tensors lie one after the other and fill the file, so that no byte belongs to two, or to none. */
function checkPlaces(entries: readonly TensorEntry[], bytesAfter: number): void {
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin < at) throw badFormat(`tensor ${quoted(name)} overlaps the one before it`);
    if (begin > at) throw badFormat(`${begin - at} bytes before tensor ${quoted(name)} belong to none`);
    at = end;
  }
  if (at > bytesAfter) {
    const cut = entries.find(({ end }) => end > bytesAfter);
    throw truncated(`it ends ${at - bytesAfter} bytes early, within tensor ${quoted(cut?.name ?? '')}`);
  }
  if (at < bytesAfter) throw badFormat(`${bytesAfter - at} bytes follow its last tensor`);
}

const HINT = 'name a checkpoint that `placewright train --checkpoint-dir` wrote';

/** Some of a name from a file, for a message. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

export function badFormat(fault: string): PlacewrightError {
  return new PlacewrightError('PW_CHECKPOINT_FORMAT', `this is no checkpoint: ${fault}`, { hint: HINT });
}

export function truncated(fault: string): PlacewrightError {
  return new PlacewrightError('PW_CHECKPOINT_TRUNCATED', `the checkpoint is cut off: ${fault}`, {
    hint: 'fetch it again, or take an earlier one',
  });
}
