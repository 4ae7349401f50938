import { allocate, type DType, type TensorValue } from '@placewright/ir';

/**
 * Numbers in [0, 1) from a 32-bit xorshift generator (Marsaglia 2003): the data of a case follow from its seed, so that
 * a counterexample is printed as one number and not as arrays.
 */
export function randomSource(seed: number): () => number {
  let state = Math.imul(seed + 0x7f4a7c15, 0x2c1b3c6d) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A float32 tensor of values in [lo, hi). */
export function randomFloats(
  shape: readonly number[],
  random: () => number,
  [lo, hi]: readonly [number, number] = [-1, 1],
): TensorValue & { readonly dtype: 'float32' } {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = lo + (hi - lo) * random();
  return { dtype: 'float32', shape, data };
}

/** An integer tensor of values in [0, below). */
export function randomInts(
  dtype: DType,
  shape: readonly number[],
  random: () => number,
  below: number,
): TensorValue {
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const value = Math.floor(below * random());
    if (data instanceof BigInt64Array) data[i] = BigInt(value);
    else data[i] = value;
  }
  return { dtype, shape, data };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1);
}
