import { allocate, type DType, type TensorData, type TensorValue } from '@placewright/ir';

/** Arrays of JavaScript numbers: all but int64's. */
export type NumberArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/**
 * The same array under a type that the compiler can index. For moving elements from an array to one of the same class,
 * and for operators that bigints have too.
 */
export function elementsOf(data: TensorData): Float64Array {
  return data as Float64Array;
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

/** A value all of whose elements are `fill`. */
export function filled(dtype: DType, shape: readonly number[], fill: number): TensorValue {
  const data = allocate(dtype, sizeOf(shape));
  if (data instanceof BigInt64Array) data.fill(BigInt(Math.trunc(fill)));
  else data.fill(fill);
  return { dtype, shape, data };
}

/** A value of the dtype with these elements, rounded to it. */
export function fromFloat64(dtype: DType, shape: readonly number[], elements: Float64Array): TensorValue {
  const data = dtype === 'float64' ? elements : allocate(dtype, elements.length);
  if (data !== elements) elementsOf(data).set(elements);
  return { dtype, shape, data };
}

/** A value that shares nothing with `value`. */
export function copyOf(value: TensorValue): TensorValue {
  return { dtype: value.dtype, shape: [...value.shape], data: value.data.slice() };
}

/** Distances in elements between neighbours along each dimension of a row-major array. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] ?? 1;
  }
  return strides;
}

/** Offset of every index of a strided array, in row-major order of the indices. */
export function offsetsOf(shape: readonly number[], strides: readonly number[], base = 0): Int32Array {
  let offsets = Int32Array.of(base);
  shape.forEach((dim, axis) => {
    const stride = strides[axis] ?? 0;
    const longer = new Int32Array(offsets.length * dim);
    let k = 0;
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i] as number;
      for (let j = 0; j < dim; j++) longer[k++] = offset + j * stride;
    }
    offsets = longer;
  });
  return offsets;
}

/** The elements of a strided view of `source` as a new row-major array. */
export function gather(
  source: TensorValue,
  shape: readonly number[],
  strides: readonly number[],
  base = 0,
): TensorValue {
  const data = allocate(source.dtype, sizeOf(shape));
  const from = elementsOf(source.data);
  const to = elementsOf(data);
  const outer = offsetsOf(shape.slice(0, -1), strides, base);
  const length = shape.at(-1) ?? 1;
  const step = strides[shape.length - 1] ?? 0;
  let k = 0;
  for (let i = 0; i < outer.length; i++) {
    const start = outer[i] as number;
    for (let j = 0; j < length; j++) to[k++] = from[start + j * step] as number;
  }
  return { dtype: source.dtype, shape, data };
}

/** Writes the elements of row-major `source` into a strided view of `target`. */
export function scatter(
  source: TensorValue,
  target: TensorData,
  strides: readonly number[],
  base: number,
): void {
  const from = elementsOf(source.data);
  const to = elementsOf(target);
  const outer = offsetsOf(source.shape.slice(0, -1), strides, base);
  const length = source.shape.at(-1) ?? 1;
  const step = strides[source.shape.length - 1] ?? 0;
  let k = 0;
  for (let i = 0; i < outer.length; i++) {
    const start = outer[i] as number;
    for (let j = 0; j < length; j++) to[start + j * step] = from[k++] as number;
  }
}

/** Strides with which an array of `shape` is read as if it had the broadcast shape `to`; 0 where it repeats. */
export function broadcastStrides(shape: readonly number[], to: readonly number[]): number[] {
  const strides = rowMajorStrides(shape);
  const missing = to.length - shape.length;
  return to.map((_, axis) =>
    axis < missing || shape[axis - missing] === 1 ? 0 : (strides[axis - missing] ?? 0),
  );
}

export function permuted<T>(items: readonly T[], perm: readonly number[]): T[] {
  return perm.map((axis) => items[axis] as T);
}

/** The value with its dimensions in another order: output dimension `i` is input dimension `perm[i]`. */
export function transpose(value: TensorValue, perm: readonly number[]): TensorValue {
  return gather(value, permuted(value.shape, perm), permuted(rowMajorStrides(value.shape), perm));
}
