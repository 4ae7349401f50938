import { WireType } from '@bufbuild/protobuf/wire';
import {
  allocate,
  bytesOf,
  DTYPE_BYTES,
  type DType,
  formatShape,
  MAX_ELEMENTS,
  PlacewrightError,
  type TensorData,
  type TensorValue,
} from '@placewright/ir';
import { narrowBytes, narrowValues } from './half.js';
import {
  badReply,
  bytesReader,
  int32Reader,
  int64Reader,
  intField,
  messageField,
  numbersReader,
  type Parts,
  readMessage,
} from './wire.js';

/** TensorFlow's number of each dtype. */
export const DTYPE_NUMBERS: Readonly<Record<DType, number>> = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  string: 7,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  float16: 19,
};

/** A dtype whose values travel. */
type SentDType = Exclude<DType, 'string'>;

const BY_NUMBER: ReadonlyMap<number, SentDType> = new Map(
  Object.entries(DTYPE_NUMBERS).flatMap(([name, number]) =>
    name === 'string' ? [] : [[number, name as SentDType] as const],
  ),
);

const MAX_RANK = 254;
/** Elements that a reply of a few bytes may stand for by repeating its last number; servers send all bytes. */
const MOST_REPEATED = 2 ** 20;
/** Up to here bytes are copied: they may lie in a pool that other messages share. */
const SMALL_BYTES = 4096;

/**
 * A TensorProto whose elements are the value's own memory. Throws PW_CLUSTER_FEED where the value is none: strings, data
 * that do not fill the shape.
 */
export function encodeTensor(value: TensorValue): Parts {
  const { dtype, shape, data } = value;
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (dtype === 'string' || data.length !== count) {
    const shown = `a ${dtype} tensor of shape ${formatShape(shape)}`;
    throw new PlacewrightError('PW_CLUSTER_FEED', `${shown} with ${data.length} elements cannot be sent`, {
      hint: 'feed tensors of numbers or bools, as `tensorValue` makes them',
    });
  }
  return [
    ...intField(1, DTYPE_NUMBERS[dtype]),
    ...messageField(
      2,
      shape.flatMap((size) => messageField(2, intField(1, size))),
    ),
    ...messageField(4, [contentOf(value)]),
  ];
}

function contentOf(value: TensorValue): Uint8Array {
  const { dtype, data } = value;
  return dtype === 'float16' || dtype === 'bfloat16' ? narrowBytes(dtype, data) : bytesOf(value);
}

/** What the fields of a TensorProto hold. */
interface TensorFields {
  dtype: number;
  shape: readonly number[];
  content: Uint8Array;
  /** Elements that were sent as numbers. */
  readonly numbers: number[];
  readonly longs: bigint[];
}

/**
 * The value of a TensorProto, whose bytes must be the caller's own: the elements of a large one become a view of them, and
 * may be moved within them. Throws PW_CLUSTER_REPLY for everything that contradicts itself.
 */
export function decodeTensor(bytes: Uint8Array): TensorValue {
  const fields = readTensor(bytes);
  const dtype = BY_NUMBER.get(fields.dtype);
  if (dtype === undefined) throw badReply(`a tensor has the type ${fields.dtype}, which no fetch can have`);
  const { shape, content } = fields;
  const count = countOf(shape);
  const size = count * DTYPE_BYTES[dtype];
  if (content.length === size && size > 0)
    return { dtype, shape, data: checked(dtype, view(dtype, aligned(dtype, content, bytes))) };
  if (content.length > 0) {
    throw badReply(
      `a ${dtype} tensor of shape ${formatShape(shape)} needs ${size} bytes and has ${content.length}`,
    );
  }
  return { dtype, shape, data: checked(dtype, spread(dtype, shape, count, fields)) };
}

function readTensor(bytes: Uint8Array): TensorFields {
  const fields: TensorFields = { dtype: 0, shape: [], content: new Uint8Array(0), numbers: [], longs: [] };
  const into = { into: fields.numbers, most: MOST_REPEATED };
  const int32s = numbersReader({ ...into, wire: WireType.Varint, read: (reader) => reader.int32() });
  readMessage('a tensor', bytes, {
    1: int32Reader((dtype) => {
      fields.dtype = dtype;
    }),
    2: bytesReader((shape) => {
      fields.shape = readShape(shape);
    }),
    4: bytesReader((content) => {
      fields.content = content;
    }),
    5: numbersReader({ ...into, wire: WireType.Bit32, read: (reader) => reader.float() }),
    6: numbersReader({ ...into, wire: WireType.Bit64, read: (reader) => reader.double() }),
    7: int32s,
    10: numbersReader({
      into: fields.longs,
      most: MOST_REPEATED,
      wire: WireType.Varint,
      read: (reader) => BigInt(reader.int64()),
    }),
    11: int32s,
    13: int32s,
  });
  return fields;
}

function readShape(bytes: Uint8Array): number[] {
  const dims: number[] = [];
  readMessage('a shape', bytes, {
    2: bytesReader((dim) => {
      let size = 0n;
      readMessage('a dimension', dim, {
        1: int64Reader((value) => {
          size = value;
        }),
      });
      if (size < 0n || size > BigInt(MAX_ELEMENTS)) throw badReply(`a tensor has a dimension of ${size}`);
      if (dims.length === MAX_RANK) throw badReply(`a tensor has more than ${MAX_RANK} dimensions`);
      dims.push(Number(size));
    }),
    3: int32Reader((unknown) => {
      if (unknown !== 0) throw badReply('a tensor has a shape of unknown rank');
    }),
  });
  return dims;
}

function countOf(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  if (count > MAX_ELEMENTS) throw badReply(`a tensor of shape ${formatShape(shape)} is too large`);
  return count;
}

/**
 * Bytes at an address that their type can be read from, where they may stay. Many bytes are moved there in place, over
 * parts of their own message that have been read: a copy would cost thrice as much, most of it for fresh memory.
 */
function aligned(dtype: SentDType, content: Uint8Array, message: Uint8Array): Uint8Array {
  const shift = content.byteOffset % DTYPE_BYTES[dtype];
  const room = content.byteOffset - message.byteOffset;
  if (content.byteLength <= SMALL_BYTES || shift > room) return new Uint8Array(content);
  if (shift === 0) return content;
  const start = room - shift;
  message.copyWithin(start, room, room + content.byteLength);
  return message.subarray(start, start + content.byteLength);
}

/** The elements that bytes are. */
function view(dtype: SentDType, bytes: Uint8Array): TensorData {
  const { buffer, byteOffset, byteLength } = bytes;
  const length = byteLength / DTYPE_BYTES[dtype];
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
    case 'float64':
      return new Float64Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'uint8':
    case 'bool':
      return new Uint8Array(buffer, byteOffset, length);
    case 'float16':
    case 'bfloat16':
      return narrowValues(dtype, new Uint16Array(buffer, byteOffset, length));
  }
}

/** Elements sent as numbers, the last one repeated to fill the shape, as TensorFlow reads them. */
function spread(
  dtype: SentDType,
  shape: readonly number[],
  count: number,
  { numbers, longs }: TensorFields,
): TensorData {
  const given = dtype === 'int64' ? longs : numbers;
  if (given.length > count || count > MOST_REPEATED) {
    throw badReply(
      `a ${dtype} tensor of shape ${formatShape(shape)} has ${given.length} numbers and no bytes`,
    );
  }
  if (dtype === 'int64') return fill(new BigInt64Array(count), longs, 0n);
  const plain = dtype === 'float16' || dtype === 'bfloat16' ? narrowValues(dtype, numbers) : numbers;
  return fill(allocate(dtype, count) as Float32Array, plain, 0);
}

function fill<T extends number | bigint, A extends { fill(value: T): A; set(values: ArrayLike<T>): void }>(
  data: A,
  given: ArrayLike<T>,
  zero: T,
): A {
  data.fill(given[given.length - 1] ?? zero);
  data.set(given);
  return data;
}

/** A bool is 0 or 1; other bytes would be true in one place and false in another. */
function checked(dtype: SentDType, data: TensorData): TensorData {
  if (dtype === 'bool' && (data as Uint8Array).some((element) => element > 1)) {
    throw badReply('a tensor of bools has elements that are neither 0 nor 1');
  }
  return data;
}
