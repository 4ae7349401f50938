import { affine } from '../layers/affine.js';
import { type ImageModel, imageClassifier, imagenetInput, type ModelOptions } from './classifier.js';

export const TRIVIAL_INPUT = imagenetInput(227);

/** tf_cnn_benchmarks' trivial model: no convolutions and next to no arithmetic, but a large matrix to copy. */
export function trivial(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'trivial',
      defaults: TRIVIAL_INPUT,
      features: (layers, images) => {
        const narrow = affine(layers, layers.b.flatten(images), { units: 1 });
        return affine(layers, narrow, { units: 4096 });
      },
    },
    options,
  );
}
