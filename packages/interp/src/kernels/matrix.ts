import type { NumberArray } from '../data.js';

/**
 * `c += a·b` for row-major a[m, k], b[k, n], c[m, n] in float64. Four rows of `b` at a time, so that each element of
 * `c` is loaded once for four products.
 */
export function multiplyAdd(
  c: Float64Array,
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  n: number,
): void {
  const blocked = k - (k % 4);
  for (let i = 0; i < m; i++) {
    const row = i * k;
    const out = i * n;
    for (let l = 0; l < blocked; l += 4) {
      const a0 = a[row + l] as number;
      const a1 = a[row + l + 1] as number;
      const a2 = a[row + l + 2] as number;
      const a3 = a[row + l + 3] as number;
      const b0 = l * n;
      const b1 = b0 + n;
      const b2 = b1 + n;
      const b3 = b2 + n;
      for (let j = 0; j < n; j++) {
        c[out + j] =
          (c[out + j] as number) +
          (a0 * (b[b0 + j] as number) +
            a1 * (b[b1 + j] as number) +
            a2 * (b[b2 + j] as number) +
            a3 * (b[b3 + j] as number));
      }
    }
    for (let l = blocked; l < k; l++) {
      const a0 = a[row + l] as number;
      const b0 = l * n;
      for (let j = 0; j < n; j++) c[out + j] = (c[out + j] as number) + a0 * (b[b0 + j] as number);
    }
  }
}

/** A [rows, cols] matrix in float64, as it is or transposed. */
export function matrixOf(data: NumberArray, rows: number, cols: number, transposed: boolean): Float64Array {
  if (!transposed) return data instanceof Float64Array ? data : Float64Array.from(data);
  const out = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    const row = i * cols;
    for (let j = 0; j < cols; j++) out[j * rows + i] = data[row + j] as number;
  }
  return out;
}

/** As `multiplyAdd`, with `a` as its transpose [k, m]. */
export function multiplyTransposedAdd(
  c: Float64Array,
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  n: number,
): void {
  const blocked = k - (k % 4);
  for (let l = 0; l < blocked; l += 4) {
    const b0 = l * n;
    const b1 = b0 + n;
    const b2 = b1 + n;
    const b3 = b2 + n;
    for (let i = 0; i < m; i++) {
      const at = l * m + i;
      const a0 = a[at] as number;
      const a1 = a[at + m] as number;
      const a2 = a[at + 2 * m] as number;
      const a3 = a[at + 3 * m] as number;
      const out = i * n;
      for (let j = 0; j < n; j++) {
        c[out + j] =
          (c[out + j] as number) +
          (a0 * (b[b0 + j] as number) +
            a1 * (b[b1 + j] as number) +
            a2 * (b[b2 + j] as number) +
            a3 * (b[b3 + j] as number));
      }
    }
  }
  for (let l = blocked; l < k; l++) {
    for (let i = 0; i < m; i++) {
      const a0 = a[l * m + i] as number;
      const out = i * n;
      for (let j = 0; j < n; j++) c[out + j] = (c[out + j] as number) + a0 * (b[l * n + j] as number);
    }
  }
}
