/** Bits of narrow floats. The IR holds them as float32 numbers that the narrow type can hold exactly. */

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

const SMALLEST_NORMAL = 2 ** -14;
const SUBNORMAL_UNIT = 2 ** -24;
const BIAS_DIFFERENCE = 127 - 15;

/** The 16 bits of a half that a float32 holds. */
export function float16Bits(x: number): number {
  float[0] = x;
  const bits = word[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return sign | 0x7e00;
  if (magnitude === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (magnitude < SMALLEST_NORMAL) return sign | (magnitude / SUBNORMAL_UNIT);
  const exponent = ((bits >>> 23) & 0xff) - BIAS_DIFFERENCE;
  return sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

export function float16Value(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * SUBNORMAL_UNIT;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 0x400);
}

/** The upper 16 bits of a float32 are its bfloat16. */
export function bfloat16Bits(x: number): number {
  float[0] = x;
  return (word[0] as number) >>> 16;
}

export function bfloat16Value(bits: number): number {
  word[0] = bits << 16;
  return float[0] as number;
}
