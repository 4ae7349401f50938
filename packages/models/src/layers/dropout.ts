import { PlacewrightError } from '@placewright/ir';
import type { Floats, LayerContext } from './context.js';

export interface DropoutOptions {
  /** Share of the values that stay. */
  readonly keep?: number;
}

/** `x` itself: tf_cnn_benchmarks' dropout never drops. It stands where one is in the papers. Throws PW_MODEL_LAYER. */
export function dropout(_layers: LayerContext, x: Floats, { keep = 0.5 }: DropoutOptions = {}): Floats {
  if (!(keep > 0 && keep <= 1)) {
    throw new PlacewrightError('PW_MODEL_LAYER', `dropout cannot keep a share of ${String(keep)}`, {
      hint: 'more than 0 and at most 1',
    });
  }
  return x;
}
