import { type ImageModel, imageClassifier, type ModelOptions } from './classifier.js';
import { TINY_INPUT, tinyFeatures } from './tiny.js';

/** `tiny` with batch normalisation in place of the biases after the convolutions. */
export function tinybn(options: ModelOptions = {}): ImageModel {
  const batchNorm = { decay: 0.9, epsilon: 1e-5, scale: true };
  return imageClassifier(
    { name: 'tinybn', defaults: TINY_INPUT, minImageSize: 4, batchNorm, features: tinyFeatures },
    options,
  );
}
