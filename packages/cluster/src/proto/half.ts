import type { TensorData } from '@placewright/ir';

/** Narrow floats travel as 16 bits; the IR holds them in float32 arrays, as values that the narrow type has. */

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);
const [HALF_BIAS, FLOAT_BIAS] = [15, 127];

function halfBits(x: number): number {
  float[0] = x;
  const bits = word[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return sign | 0x7e00;
  if (magnitude === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24);
  const exponent = ((bits >>> 23) & 0xff) - FLOAT_BIAS + HALF_BIAS;
  return sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

function halfValue(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * 2 ** (exponent - HALF_BIAS) * (1 + fraction / 0x400);
}

/** A bfloat16 is the upper half of a float32. */
function brainBits(x: number): number {
  float[0] = x;
  return (word[0] ?? 0) >>> 16;
}

function brainValue(bits: number): number {
  word[0] = bits << 16;
  return float[0] ?? 0;
}

export type NarrowFloat = 'float16' | 'bfloat16';

export function narrowBytes(dtype: NarrowFloat, data: TensorData): Uint8Array {
  const bits = Uint16Array.from(data as Float32Array, dtype === 'float16' ? halfBits : brainBits);
  return new Uint8Array(bits.buffer);
}

export function narrowValues(dtype: NarrowFloat, bits: Uint16Array | readonly number[]): Float32Array {
  return Float32Array.from(bits, dtype === 'float16' ? halfValue : brainValue);
}
