import type { Pair } from '../layers/context.js';
import type { Column, ColumnLayer } from '../layers/inception.js';

// The words in which the modules of Inception v3 and v4 are written down.

export const column = (...layers: readonly ColumnLayer[]): Column => layers;

/** A convolution that keeps the image's size, or the border off (`valid`), or halves it (`half`: VALID, stride 2). */
export function conv2d(filters: number, size: Pair, mode: 'same' | 'valid' | 'half' = 'same'): ColumnLayer {
  const padding = mode === 'same' ? 'SAME' : 'VALID';
  return { kind: 'conv', filters, size, padding, strides: mode === 'half' ? 2 : 1 };
}

/** The layer at this place of the column before. */
export const SHARE: ColumnLayer = { kind: 'share' };
export const APOOL = { kind: 'apool', size: 3, strides: 1, padding: 'SAME' } as const satisfies ColumnLayer;
export const MPOOL_HALF: ColumnLayer = { kind: 'mpool', size: 3, strides: 2, padding: 'VALID' };
