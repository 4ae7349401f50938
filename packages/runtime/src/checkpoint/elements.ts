import { allocate, bytesOf, type DType, type TensorData, type TensorValue } from '@placewright/ir';

/** Types that a file can hold, and what safetensors calls them. */
const CODES = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  bfloat16: 'BF16',
  int32: 'I32',
  int64: 'I64',
  uint8: 'U8',
  bool: 'BOOL',
} as const satisfies Record<Exclude<DType, 'string'>, string>;

export type StoredDType = keyof typeof CODES;
const STORED = new Map(Object.entries(CODES).map(([dtype, code]) => [code, dtype as StoredDType]));

/** The codes that can be read, for messages. */
export const DTYPE_CODES: readonly string[] = Object.values(CODES);

export function isStored(dtype: DType): dtype is StoredDType {
  return dtype !== 'string';
}

export function codeOf(dtype: StoredDType): string {
  return CODES[dtype];
}

export function dtypeOf(code: string): StoredDType | undefined {
  return STORED.get(code as (typeof CODES)[StoredDType]);
}

/** The bytes of a value in a file: its memory, but for halves, which are kept as float32 and packed here. */
export function encodeElements(value: TensorValue): Uint8Array {
  if (value.dtype === 'float16') return pack(value.data, halfBits);
  if (value.dtype === 'bfloat16') return pack(value.data, (x) => floatBits(x) >>> 16);
  return bytesOf(value);
}

/** An array for the elements, and the bytes to read into before `finish` makes the array from them. */
export interface ElementReader {
  readonly bytes: Uint8Array;
  finish(): TensorData;
}

export function elementReader(dtype: StoredDType, count: number): ElementReader {
  if (dtype === 'float16' || dtype === 'bfloat16') {
    const packed = new Uint16Array(count);
    const unpack = dtype === 'float16' ? halfValue : (bits: number) => floatOf(bits << 16);
    return { bytes: new Uint8Array(packed.buffer), finish: () => Float32Array.from(packed, unpack) };
  }
  const data = allocate(dtype, count);
  return { bytes: new Uint8Array(data.buffer), finish: () => data };
}

function pack(data: TensorData, bits: (x: number) => number): Uint8Array {
  return new Uint8Array(Uint16Array.from(data as Float32Array, bits).buffer);
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

function floatBits(x: number): number {
  float[0] = x;
  return word[0] ?? 0;
}

function floatOf(bits: number): number {
  word[0] = bits;
  return float[0] ?? 0;
}

/** Of a float32 that holds an IEEE half exactly. */
function halfBits(x: number): number {
  const bits = floatBits(x);
  const sign = (bits >>> 16) & 0x8000;
  if (Number.isNaN(x)) return sign | 0x7e00;
  const magnitude = Math.abs(x);
  if (magnitude === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24);
  return sign | ((bits >>> 13) & 0x3ff) | ((((bits >>> 23) & 0xff) - 112) << 10);
}

function halfValue(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
