import { allocate, DTYPES, type DType, type TensorValue } from '@placewright/ir';
import fc from 'fast-check';
import { sizeOf } from '../random.js';
import { type ShapeBounds, shapes } from './shape.js';

/**
 * Float32 tensors of small numbers. Half of them hold multiples of 1/8, whose sums are exact and which tie often (the
 * first of equal maxima must win), the others any float32 in the range.
 */
export function floatTensors(
  shape: readonly number[],
  range: readonly [number, number] = [-2, 2],
): fc.Arbitrary<TensorValue> {
  const [lo, hi] = range;
  const length = sizeOf(shape);
  const bounds = { minLength: length, maxLength: length };
  const eighths = fc.array(
    fc.integer({ min: Math.ceil(lo * 8), max: Math.floor(hi * 8) }).map((n) => n / 8),
    bounds,
  );
  const reals = fc.array(fc.double({ min: lo, max: hi, noNaN: true, noDefaultInfinity: true }), bounds);
  return fc
    .oneof(eighths, reals)
    .map((values) => ({ dtype: 'float32', shape, data: Float32Array.from(values) }));
}

/** Integer tensors of values in [min, max]. */
export function intTensors(
  dtype: DType,
  shape: readonly number[],
  [min, max]: readonly [number, number] = [0, 9],
): fc.Arbitrary<TensorValue> {
  const length = sizeOf(shape);
  return fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length }).map((values) => {
    const data = allocate(dtype, length);
    values.forEach((value, i) => {
      if (data instanceof BigInt64Array) data[i] = BigInt(value);
      else data[i] = value;
    });
    return { dtype, shape, data };
  });
}

const VALUE_DTYPES = DTYPES.filter((dtype) => dtype !== 'string');

/** Tensors of any dtype and any bits: NaN, infinities, −0 and subnormal numbers among them. For formats, not for arithmetic. */
export function anyTensors(
  bounds: ShapeBounds = { maxRank: 3, minDim: 0, maxDim: 4 },
): fc.Arbitrary<TensorValue> {
  return fc.tuple(fc.constantFrom(...VALUE_DTYPES), shapes(bounds)).chain(([dtype, shape]) => {
    const length = sizeOf(shape);
    const bounds = { minLength: length, maxLength: length };
    switch (dtype) {
      case 'float32':
      case 'float16':
      case 'bfloat16':
        return fc
          .array(fc.float(), bounds)
          .map((values) => ({ dtype, shape, data: Float32Array.from(values, (x) => toHalf(dtype, x)) }));
      case 'float64':
        return fc.array(fc.double(), bounds).map((v) => ({ dtype, shape, data: Float64Array.from(v) }));
      case 'int64':
        return fc
          .array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), bounds)
          .map((values) => ({ dtype, shape, data: BigInt64Array.from(values) }));
      case 'int32':
        return intTensors(dtype, shape, [-(2 ** 31), 2 ** 31 - 1]);
      case 'uint8':
        return intTensors(dtype, shape, [0, 255]);
      default:
        return intTensors('bool', shape, [0, 1]);
    }
  });
}

/** Half-precision values are held as float32: only such as the narrow type can hold (here: small multiples of 1/4). */
function toHalf(dtype: DType, x: number): number {
  if (dtype === 'float32' || !Number.isFinite(x)) return x;
  return Math.round((x % 16) * 4) / 4;
}
