import { PlacewrightError } from '@placewright/ir';
import type { Floats, LayerContext } from './context.js';

export interface DropoutOptions {
  /** Share of the values that stay. */
  readonly keep?: number;
}

/**
 * `x` itself, unless the context asks for real dropout: then `dropoutN`, which in training leaves each value with the
 * chance `keep`, divided by it, and makes the others 0. What is dropped depends on the model's seed, the layer, the step
 * and the tower, and on nothing else: a run that is repeated or resumed drops the same. Throws PW_MODEL_LAYER.
 */
export function dropout(layers: LayerContext, x: Floats, { keep = 0.5 }: DropoutOptions = {}): Floats {
  const { b } = layers;
  if (!(keep > 0 && keep <= 1)) {
    throw new PlacewrightError('PW_MODEL_LAYER', `dropout cannot keep a share of ${String(keep)}`, {
      hint: 'more than 0 and at most 1',
    });
  }
  const name = layers.nextName('dropout');
  if (!layers.realDropout || !b.training || keep === 1) return x;
  return b.group(name, () => {
    const shape = b.op('Shape', [x], { dtype: 'int32' });
    // Two numbers, as the op wants them. The tower comes in by its second attribute, when the graph is copied for it.
    const seed = b.add(
      b.globalStep(),
      b.value({ dtype: 'int64', shape: [2], data: new BigInt64Array(2) }, 'pair'),
      'seed',
    );
    const attrs = { seed: b.seedOf('random_uniform'), seed2: 0 };
    const uniform = b.op('StatelessRandomUniformV2', [shape, seed], {
      name: 'random_uniform',
      attrs,
      dtype: 'float32',
    });
    const mask = b.op('Floor', [b.add(uniform, b.constant(keep, 'keep'))], { dtype: 'float32' });
    return b.mul(b.mul(x, b.constant(1 / keep, 'scale'), 'scaled'), mask);
  });
}
