import type { DType } from './dtype.js';
import { PlacewrightError } from './errors.js';

/** Length of one dimension; `null` where it is not known before the run (a batch, mostly). */
export type Dim = number | null;
/** Dimensions of a tensor, outermost first. The rank is always known. */
export type Shape = readonly Dim[];

/** Element type and shape of one tensor. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Largest number of elements that a known shape may have: more is taken for a mistake or an attack. */
export const MAX_ELEMENTS = 2 ** 31 - 1;

export function tensorType<D extends DType>(dtype: D, shape: Shape): TensorType & { readonly dtype: D } {
  return { dtype, shape };
}

/** Number of elements, or `null` while a dimension is unknown. Throws PW_SHAPE_TOO_LARGE above `MAX_ELEMENTS`. */
export function elementCount(shape: Shape): number | null {
  let count = 1;
  for (const dim of shape) {
    if (dim === null) return null;
    count *= dim;
  }
  if (count > MAX_ELEMENTS) {
    throw new PlacewrightError(
      'PW_SHAPE_TOO_LARGE',
      `a tensor of shape ${formatShape(shape)} has ${count} elements`,
      {
        hint: `at most ${MAX_ELEMENTS} elements are possible; check the dimensions`,
      },
    );
  }
  return count;
}

export function isStatic(shape: Shape): shape is readonly number[] {
  return shape.every((dim) => dim !== null);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Whether some tensor can have both shapes. */
export function compatible(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === null || b[i] === null || dim === b[i]);
}

/** What is known of a shape from two sources; throws PW_SHAPE_MISMATCH where they contradict. */
export function mergeShapes(a: Shape, b: Shape): Shape {
  if (!compatible(a, b)) {
    throw new PlacewrightError('PW_SHAPE_MISMATCH', `shapes ${formatShape(a)} and ${formatShape(b)} differ`);
  }
  return a.map((dim, i) => dim ?? b[i] ?? null);
}

/**
 * Shape of an element-wise op of two operands by NumPy's broadcasting. An unknown dimension against a known one above 1
 * is taken to be that one; two unknown ones, or one against 1, stay unknown. Throws PW_SHAPE_MISMATCH.
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = i < rank - a.length ? 1 : (a[i - rank + a.length] ?? null);
    const y = i < rank - b.length ? 1 : (b[i - rank + b.length] ?? null);
    if (x === y || y === 1) out.push(x);
    else if (x === 1) out.push(y);
    else if (x === null) out.push(y);
    else if (y === null) out.push(x);
    else {
      throw new PlacewrightError(
        'PW_SHAPE_MISMATCH',
        `shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`,
      );
    }
  }
  return out;
}

/** `[?, 28, 28, 1]`; `[]` is a scalar. */
export function formatShape(shape: Shape): string {
  return `[${shape.map((dim) => (dim === null ? '?' : String(dim))).join(', ')}]`;
}

/** `float32[?, 10]`. */
export function formatType(type: TensorType): string {
  return `${type.dtype}${formatShape(type.shape)}`;
}
