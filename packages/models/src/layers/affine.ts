import {
  type Activation,
  activate,
  addBiases,
  type Floats,
  type LayerContext,
  layerError,
} from './context.js';

export interface AffineOptions {
  readonly units: number;
  readonly activation?: Activation;
  /** Standard deviation of the initial weights; by default √(2/inputs) before a ReLU and √(1/inputs) elsewhere. */
  readonly stddev?: number;
  /** Initial biases. */
  readonly bias?: number;
}

/** `affineN`: `x·weights + biases` of `x` `[batch, features]`, then the activation (ReLU where none is named). */
export function affine(layers: LayerContext, x: Floats, options: AffineOptions): Floats {
  const { b } = layers;
  const { units, activation = 'relu', bias = 0 } = options;
  const features = x.shape[1];
  if (x.shape.length !== 2 || typeof features !== 'number') {
    throw layerError('an affine layer', '[batch, features] with known features', x, 'flatten it first');
  }
  const stddev = options.stddev ?? Math.sqrt((activation === 'relu' ? 2 : 1) / features);
  return b.group(layers.nextName('affine'), () => {
    const weights = b.variable('weights', {
      shape: [features, units],
      initializer: { kind: 'truncatedNormal', stddev },
    });
    const product = b.matMul(x, weights.value);
    return activate(b, addBiases(b, product, { count: units, value: bias, dataFormat: 'NHWC' }), activation);
  });
}
