import type { DType } from './dtype.js';
import { PlacewrightError } from './errors.js';
import { elementCount, formatShape } from './shape.js';

/** Array that holds the elements of a dtype, row-major. `bool` is 0 or 1; `float16` and `bfloat16` are held as float32. */
export type TensorData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** A value: dtype, fully known shape, and its elements in row-major order. Treated as immutable. */
export interface TensorValue {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A zeroed array for `count` elements of `dtype`. Throws PW_DTYPE_UNSUPPORTED for strings. */
export function allocate(dtype: DType, count: number): TensorData {
  switch (dtype) {
    case 'float32':
    case 'float16':
    case 'bfloat16':
      return new Float32Array(count);
    case 'float64':
      return new Float64Array(count);
    case 'int32':
      return new Int32Array(count);
    case 'int64':
      return new BigInt64Array(count);
    case 'uint8':
    case 'bool':
      return new Uint8Array(count);
    case 'string':
      throw new PlacewrightError('PW_DTYPE_UNSUPPORTED', 'string tensors have no values here', {
        hint: 'strings can be placed and printed, not run',
      });
  }
}

/** A checked value. Throws PW_TENSOR_SIZE when the data do not fill the shape exactly. */
export function tensorValue(dtype: DType, shape: readonly number[], data: TensorData): TensorValue {
  const count = elementCount(shape) ?? 0;
  if (data.length !== count) {
    throw new PlacewrightError(
      'PW_TENSOR_SIZE',
      `a ${dtype} tensor of shape ${formatShape(shape)} needs ${count} elements and got ${data.length}`,
    );
  }
  return { dtype, shape, data };
}

/** A value of the given numbers, converted to the dtype as a typed array converts. */
export function tensorOf(dtype: DType, shape: readonly number[], values: ArrayLike<number>): TensorValue {
  const data = allocate(dtype, values.length);
  if (data instanceof BigInt64Array)
    for (let i = 0; i < values.length; i++) data[i] = BigInt(Math.trunc(values[i] ?? 0));
  else data.set(values);
  return tensorValue(dtype, shape, data);
}

export function scalar(dtype: DType, value: number): TensorValue {
  return tensorOf(dtype, [], [value]);
}

/** The elements as numbers (int64 beyond 2^53 lose their last bits). */
export function toNumbers(value: TensorValue): number[] {
  return Array.from(value.data as ArrayLike<number | bigint>, Number);
}

/** Bytes of the elements as they lie in memory, without a copy. */
export function bytesOf(value: TensorValue): Uint8Array {
  return new Uint8Array(value.data.buffer, value.data.byteOffset, value.data.byteLength);
}
