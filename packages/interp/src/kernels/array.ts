import { allocate, getAttr, isStatic, type TensorValue, tensorOf, toNumbers } from '@placewright/ir';
import {
  broadcastStrides,
  elementsOf,
  filled,
  gather,
  rowMajorStrides,
  scatter,
  sizeOf,
  transpose as transposed,
} from '../data.js';
import type { Kernel, KernelContext } from '../kernel.js';

export const constant: Kernel = (context) => [getAttr(context, 'value', 'tensor')];

export const identity: Kernel = (context) => [context.input(0)];

export const noOp: Kernel = () => [];

export const shape: Kernel = (context) => {
  const dims = context.input(0).shape;
  return [tensorOf('int32', [dims.length], dims)];
};

export const size: Kernel = (context) => [tensorOf('int32', [], [context.input(0).data.length])];

/** Dimensions from an integer vector; one -1 takes what is left of `count` elements. */
function wantedShape(context: KernelContext, count: number): number[] {
  const dims = toNumbers(context.input(1));
  const free = dims.indexOf(-1);
  if (free < 0) return dims;
  const known = sizeOf(dims.filter((_, axis) => axis !== free));
  if (known === 0) return context.fail(`-1 in the shape [${dims.join(', ')}] can be anything`);
  return dims.with(free, count / known);
}

export const reshape: Kernel = (context) => {
  const value = context.input(0);
  const wanted = wantedShape(context, value.data.length);
  const legal = wanted.every((dim) => Number.isInteger(dim) && dim >= 0);
  if (!legal || sizeOf(wanted) !== value.data.length) {
    const asked = toNumbers(context.input(1)).join(', ');
    context.fail(
      `${value.data.length} elements of shape [${value.shape.join(', ')}] do not fill the shape [${asked}]`,
    );
  }
  return [{ ...value, shape: wanted }];
};

export const transpose: Kernel = (context) => {
  const value = context.input(0);
  const perm = context.attr('perm', 'ints');
  const sorted = perm.toSorted((a, b) => a - b);
  if (perm.length !== value.shape.length || sorted.some((axis, i) => axis !== i)) {
    context.fail(`perm [${perm.join(', ')}] is no order of the ${value.shape.length} dimensions`);
  }
  return [transposed(value, perm)];
};

/** A dimension's index, counted from the end when negative. */
export function axisOf(context: KernelContext, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) context.fail(`there is no dimension ${axis} among ${rank}`);
  return at;
}

export const squeeze: Kernel = (context) => {
  const value = context.input(0);
  const rank = value.shape.length;
  const axes = context.attr('axis', 'ints').map((axis) => axisOf(context, axis, rank));
  const gone = (dim: number, axis: number): boolean => (axes.length === 0 ? dim === 1 : axes.includes(axis));
  for (const axis of axes) {
    if (value.shape[axis] !== 1) context.fail(`dimension ${axis} is ${value.shape[axis]}, not 1`);
  }
  return [{ ...value, shape: value.shape.filter((dim, axis) => !gone(dim, axis)) }];
};

export const expandDims: Kernel = (context) => {
  const value = context.input(0);
  const axis = axisOf(context, context.attr('axis', 'int'), value.shape.length + 1);
  return [{ ...value, shape: value.shape.toSpliced(axis, 0, 1) }];
};

export const pad: Kernel = (context) => {
  const value = context.input(0);
  const paddings = context.attr('paddings', 'ints');
  if (paddings.length !== 2 * value.shape.length || paddings.some((width) => width < 0)) {
    context.fail(
      `paddings [${paddings.join(', ')}] are not two widths for each of ${value.shape.length} dimensions`,
    );
  }
  const before = value.shape.map((_, axis) => paddings[2 * axis] ?? 0);
  const dims = value.shape.map((dim, axis) => dim + (before[axis] ?? 0) + (paddings[2 * axis + 1] ?? 0));
  const data = allocate(value.dtype, sizeOf(dims));
  const strides = rowMajorStrides(dims);
  scatter(value, data, strides, dot(before, strides));
  return [{ dtype: value.dtype, shape: dims, data }];
};

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
}

export const slice: Kernel = (context) => {
  const value = context.input(0);
  const begin = context.attr('begin', 'ints');
  const sizes = context.attr('size', 'ints');
  const dims = value.shape.map((dim, axis) => {
    const from = begin[axis] ?? 0;
    const length = sizes[axis] === -1 ? dim - from : (sizes[axis] ?? 0);
    if (from < 0 || length < 0 || from + length > dim) {
      context.fail(`begin ${from} and size ${length} leave dimension ${axis} of ${dim}`);
    }
    return length;
  });
  const strides = rowMajorStrides(value.shape);
  return [gather(value, dims, strides, dot(begin, strides))];
};

export const concat: Kernel = (context) => {
  const first = context.input(0);
  const axis = axisOf(context, context.attr('axis', 'int'), first.shape.length);
  const same = (value: TensorValue): boolean =>
    value.shape.length === first.shape.length &&
    value.shape.every((dim, i) => i === axis || dim === first.shape[i]);
  if (!context.inputs.every(same)) context.fail(`the inputs differ beside dimension ${axis}`);
  const total = context.inputs.reduce((sum, value) => sum + (value.shape[axis] ?? 0), 0);
  const dims = first.shape.with(axis, total);
  const data = allocate(first.dtype, sizeOf(dims));
  const strides = rowMajorStrides(dims);
  let at = 0;
  for (const value of context.inputs) {
    scatter(value, data, strides, at * (strides[axis] ?? 0));
    at += value.shape[axis] ?? 0;
  }
  return [{ dtype: first.dtype, shape: dims, data }];
};

export const split: Kernel = (context) => {
  const value = context.input(0);
  const axis = axisOf(context, context.attr('axis', 'int'), value.shape.length);
  const parts = context.attr('num_split', 'int');
  const dim = value.shape[axis] ?? 0;
  if (parts < 1 || dim % parts !== 0)
    context.fail(`dimension ${axis} of ${dim} does not divide into ${parts} parts`);
  const dims = value.shape.with(axis, dim / parts);
  const strides = rowMajorStrides(value.shape);
  const step = (dim / parts) * (strides[axis] ?? 0);
  return Array.from({ length: parts }, (_, part) => gather(value, dims, strides, part * step));
};

/** `value` repeated to `dims`; fails where they do not broadcast. */
export function broadcastTo(
  context: KernelContext,
  value: TensorValue,
  dims: readonly number[],
): TensorValue {
  const missing = dims.length - value.shape.length;
  if (missing < 0 || value.shape.some((dim, axis) => dim !== 1 && dim !== dims[axis + missing])) {
    context.fail(`shape [${value.shape.join(', ')}] does not broadcast to [${dims.join(', ')}]`);
  }
  return gather(value, dims, broadcastStrides(value.shape, dims));
}

export const broadcast: Kernel = (context) => [
  broadcastTo(context, context.input(0), toNumbers(context.input(1))),
];

/** Conversions as in C: towards zero to integers, `x != 0` to bool. */
export const cast: Kernel = (context) => {
  const value = context.input(0);
  const { dtype } = context.output(0);
  if (dtype === value.dtype) return [value];
  const data = allocate(dtype, value.data.length);
  const from = value.data;
  if (data instanceof BigInt64Array) for (let i = 0; i < from.length; i++) data[i] = toBigInt(from[i] ?? 0);
  else if (dtype === 'bool') for (let i = 0; i < from.length; i++) data[i] = Number(from[i]) !== 0 ? 1 : 0;
  else for (let i = 0; i < from.length; i++) data[i] = Number(from[i]);
  return [{ dtype, shape: value.shape, data }];
};

function toBigInt(x: number | bigint): bigint {
  if (typeof x === 'bigint') return x;
  return Number.isFinite(x) ? BigInt(Math.trunc(x)) : -(2n ** 63n);
}

export const zerosLike: Kernel = (context) => {
  const { dtype, shape: dims } = context.input(0);
  return [filled(dtype, dims, 0)];
};

export const onesLike: Kernel = (context) => {
  const { dtype, shape: dims } = context.input(0);
  return [filled(dtype, dims, 1)];
};

export const fill: Kernel = (context) => {
  const dims = context.attr('shape', 'shape');
  if (!isStatic(dims)) return context.fail('the shape is not fully known');
  return [filled(context.output(0).dtype, dims, context.attr('value', 'float'))];
};

/** Index of the largest element along `axis`, the first one on a tie. */
export const argMax: Kernel = (context) => {
  const value = context.input(0);
  const axis = axisOf(context, context.attr('axis', 'int'), value.shape.length);
  const length = value.shape[axis] ?? 0;
  if (length === 0) context.fail(`dimension ${axis} is empty`);
  const inner = rowMajorStrides(value.shape)[axis] ?? 1;
  const dims = value.shape.toSpliced(axis, 1);
  const out = new BigInt64Array(sizeOf(dims));
  const from = elementsOf(value.data);
  for (let o = 0; o < out.length; o++) {
    const start = Math.floor(o / inner) * length * inner + (o % inner);
    let best = 0;
    for (let j = 1; j < length; j++) {
      if ((from[start + j * inner] as number) > (from[start + best * inner] as number)) best = j;
    }
    out[o] = BigInt(best);
  }
  return [{ dtype: 'int64', shape: dims, data: out }];
};

/** A new last dimension of `depth`; an index outside of it gives a row of `off_value` alone, as in TensorFlow. */
export const oneHot: Kernel = (context) => {
  const indices = context.input(0);
  const depth = context.attr('depth', 'int');
  const { dtype } = context.output(0);
  const value = filled(dtype, [...indices.shape, depth], context.attr('off_value', 'float'));
  const on = context.attr('on_value', 'float');
  for (let i = 0; i < indices.data.length; i++) {
    const at = Number(indices.data[i]);
    if (at >= 0 && at < depth) value.data[i * depth + at] = on;
  }
  return [value];
};
