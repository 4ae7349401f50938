import {
  allocate,
  bytesOf,
  DTYPE_BYTES,
  type DType,
  elementCount,
  formatShape,
  PlacewrightError,
  type Shape,
  type TensorData,
  type TensorValue,
} from '@placewright/ir';
import { DTYPE_NUMBERS, dtypeOf } from './dtype.js';
import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from './half.js';
import type { TensorProto, TensorShape } from './proto/messages.js';

const NO_BYTES = new Uint8Array(0);
const EMPTY: Omit<TensorProto, 'dtype'> = {
  tensorContent: NO_BYTES,
  floatVal: [],
  doubleVal: [],
  intVal: [],
  int64Val: [],
  boolVal: [],
  halfVal: [],
  stringVal: [],
};

export function shapeMessage(shape: Shape): TensorShape {
  return { dim: shape.map((dim) => ({ size: BigInt(dim ?? -1) })), unknownRank: false };
}

/** The shape of a message; null where the rank is unknown or a size is none. */
export function shapeOf(message: TensorShape | undefined): Shape | null {
  if (message === undefined) return [];
  if (message.unknownRank) return null;
  const dims = message.dim.map(({ size }) => (size === -1n ? null : Number(size)));
  return dims.every((dim) => dim === null || (Number.isSafeInteger(dim) && dim >= 0)) ? dims : null;
}

/** A tensor as raw bytes of any element type; they are not copied. */
export function rawTensor(dtype: number, shape: readonly number[], tensorContent: Uint8Array): TensorProto {
  return { ...EMPTY, dtype, tensorShape: shapeMessage(shape), tensorContent };
}

/** A value as a message, its elements as raw bytes, scalars as numbers that the text form shows. */
export function tensorMessage(value: TensorValue): TensorProto {
  const { dtype, shape, data } = value;
  const raw = rawTensor(DTYPE_NUMBERS[dtype], shape, NO_BYTES);
  const [element] = data;
  // The bits of a NaN need not survive as a number.
  const plain = data.length === 1 && !(typeof element === 'number' && Number.isNaN(element));
  if (plain && dtype === 'float32') return { ...raw, floatVal: [Number(element)] };
  if (plain && dtype === 'int32') return { ...raw, intVal: [Number(element)] };
  return { ...raw, tensorContent: contentOf(value) };
}

function contentOf(value: TensorValue): Uint8Array {
  if (value.dtype === 'float16') return pack(value.data, float16Bits);
  if (value.dtype === 'bfloat16') return pack(value.data, bfloat16Bits);
  return bytesOf(value);
}

function pack(data: TensorData, bits: (x: number) => number): Uint8Array {
  return new Uint8Array(Uint16Array.from(data as Float32Array, bits).buffer);
}

/** Elements that all messages of a file together may stand for beyond those that they hold: the last one is repeated. */
export const MOST_REPEATED = 2 ** 28;

/** Elements of a message that it does not hold itself. */
export function repeatedElements(message: TensorProto): number {
  const dtype = dtypeOf(message.dtype);
  const shape = shapeOf(message.tensorShape);
  if (dtype === undefined || dtype === 'string' || shape === null || message.tensorContent.length > 0)
    return 0;
  const count = shape.reduce<number>((product, dim) => product * (dim ?? 1), 1);
  return Math.max(0, count - numbersOf(message, dtype).length);
}

/**
 * The value of a message; null where the IR has no such value: strings, other element types. Throws
 * PW_GRAPHDEF_TENSOR where the message contradicts itself.
 */
export function tensorFromMessage(message: TensorProto): TensorValue | null {
  const dtype = dtypeOf(message.dtype);
  if (dtype === undefined || dtype === 'string') return null;
  const shape = shapeOf(message.tensorShape);
  if (shape === null || shape.includes(null)) {
    throw badTensor('has a shape that is not fully known');
  }
  const dims = shape as readonly number[];
  const count = elementCount(dims) ?? 0;
  const data =
    message.tensorContent.length > 0
      ? fromContent(dtype, dims, message.tensorContent)
      : fromNumbers(dtype, dims, count, numbersOf(message, dtype));
  return { dtype, shape: dims, data };
}

function badTensor(fault: string): PlacewrightError {
  return new PlacewrightError('PW_GRAPHDEF_TENSOR', `a tensor ${fault}`, {
    hint: 'the file is damaged, or no program of TensorFlow wrote it',
  });
}

function fromContent(dtype: DType, shape: readonly number[], content: Uint8Array): TensorData {
  const count = elementCount(shape) ?? 0;
  const bytes = count * DTYPE_BYTES[dtype];
  if (content.length !== bytes) {
    throw badTensor(`of shape ${formatShape(shape)} needs ${bytes} bytes and has ${content.length}`);
  }
  if (dtype === 'float16' || dtype === 'bfloat16') {
    // Copied, since bytes of a file can stand at any address.
    const bits = new Uint16Array(content.slice().buffer);
    return Float32Array.from(bits, dtype === 'float16' ? float16Value : bfloat16Value);
  }
  const data = allocate(dtype, count);
  new Uint8Array(data.buffer).set(content);
  if (dtype === 'bool' && (data as Uint8Array).some((element) => element > 1)) {
    throw badTensor('of bools has bytes that are neither 0 nor 1');
  }
  return data;
}

/** The elements in the field that belongs to the type. */
function numbersOf(message: TensorProto, dtype: Exclude<DType, 'string'>): readonly (number | bigint)[] {
  switch (dtype) {
    case 'float32':
      return message.floatVal;
    case 'float64':
      return message.doubleVal;
    case 'int32':
    case 'uint8':
      return message.intVal;
    case 'int64':
      return message.int64Val;
    case 'bool':
      return message.boolVal.map(Number);
    case 'float16':
      return message.halfVal.map(float16Value);
    case 'bfloat16':
      return message.halfVal.map(bfloat16Value);
  }
}

/** Where there are fewer numbers than elements, the last one is repeated, as TensorFlow reads it; none are zeros. */
function fromNumbers(
  dtype: DType,
  shape: readonly number[],
  count: number,
  numbers: readonly (number | bigint)[],
): TensorData {
  if (numbers.length > count) {
    throw badTensor(`of shape ${formatShape(shape)} holds ${count} elements and has ${numbers.length}`);
  }
  if (count - numbers.length > MOST_REPEATED) {
    throw badTensor(`of shape ${formatShape(shape)} repeats one number ${count - numbers.length} times`);
  }
  const data = allocate(dtype, count);
  const last = numbers.at(-1) ?? (dtype === 'int64' ? 0n : 0);
  if (data instanceof BigInt64Array) {
    data.fill(last as bigint);
    data.set(numbers as readonly bigint[]);
  } else {
    data.fill(last as number);
    data.set(numbers as readonly number[]);
  }
  return data;
}
