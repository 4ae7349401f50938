import { allocate, type DType, type TensorValue } from '@placewright/ir';
import fc from 'fast-check';
import type { TaskAddress } from '../../src/addresses.js';

export const SENT = ['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int64', 'uint8', 'bool'] as const;

export const WORKER: TaskAddress = { task: { job: 'worker', index: 1 }, address: '127.0.0.1:2222' };

/** Any bits, but for bools, which are 0 or 1, and narrow floats, which have values of their type. */
function elements(dtype: DType, count: number): fc.Arbitrary<TensorValue['data']> {
  if (dtype === 'float16' || dtype === 'bfloat16') {
    // Small whole numbers and their fractions are exact in both.
    return fc
      .array(fc.integer({ min: -127, max: 127 }), { minLength: count, maxLength: count })
      .map((numbers) => Float32Array.from(numbers, (number) => number / 8));
  }
  const bytes = allocate(dtype, count).byteLength;
  return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((raw) => {
    const data = allocate(dtype, count);
    new Uint8Array(data.buffer).set(dtype === 'bool' ? raw.map((byte) => byte & 1) : raw);
    return data;
  });
}

export const anyTensor: fc.Arbitrary<TensorValue> = fc
  .record({
    dtype: fc.constantFrom(...SENT),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  })
  .chain(({ dtype, shape }) =>
    elements(
      dtype,
      shape.reduce((product, dim) => product * dim, 1),
    ).map((data) => ({ dtype, shape, data })),
  );

/** dtype, shape and bytes: two NaNs of the same bits are the same. */
export const exactly = ({ dtype, shape, data }: TensorValue) => [
  dtype,
  [...shape],
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
];
