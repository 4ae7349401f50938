import type { DType, TensorValue } from '@placewright/ir';

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/**
 * Nearest value of a narrow format, ties to even. `x` must be a float32 value. Adding and taking away 1.5·2^52 quanta
 * rounds a double to that quantum.
 */
function narrow(x: number, fraction: number, leastExponent: number, largest: number): number {
  float[0] = x;
  const exponent = (((bits[0] as number) >>> 23) & 255) - 127;
  if (exponent === 128) return x;
  const magic = 1.5 * 2 ** (52 + Math.max(exponent, leastExponent) - fraction);
  const rounded = x + magic - magic;
  if (Math.abs(rounded) > largest) return rounded > 0 ? Infinity : -Infinity;
  return rounded === 0 ? x * 0 : rounded;
}

/** Nearest IEEE half-precision value, ties to even. */
export function roundFloat16(x: number): number {
  return narrow(Math.fround(x), 10, -14, 65504);
}

/** Nearest bfloat16 value, ties to even. */
export function roundBfloat16(x: number): number {
  return narrow(Math.fround(x), 7, -126, 2 ** 127 * (2 - 2 ** -7));
}

const exact = (x: number): number => x;

/** The function that rounds a double to a value of the dtype, for intermediate results; exact for all but narrow floats. */
export function rounder(dtype: DType): (x: number) => number {
  switch (dtype) {
    case 'float32':
      return Math.fround;
    case 'float16':
      return roundFloat16;
    case 'bfloat16':
      return roundBfloat16;
    default:
      return exact;
  }
}

/** The value with elements that its dtype can hold: halves are kept in float32 arrays and must be rounded after each op. */
export function roundHalf(value: TensorValue): TensorValue {
  if (value.dtype !== 'float16' && value.dtype !== 'bfloat16') return value;
  const round = rounder(value.dtype);
  return { ...value, data: Float32Array.from(value.data as Float32Array, round) };
}
