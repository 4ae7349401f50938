import { affine } from '../layers/affine.js';
import { conv } from '../layers/conv.js';
import { mpool } from '../layers/pool.js';
import { type ImageModel, imageClassifier, imagenetInput, type ModelOptions } from './classifier.js';

export const OVERFEAT_INPUT = imagenetInput(231);

/** tf_cnn_benchmarks' OverFeat, the fast one: five convolutions, and hidden layers of 3072 and 4096. */
export function overfeat(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'overfeat',
      defaults: OVERFEAT_INPUT,
      minImageSize: 71,
      features: (layers, images) => {
        let x = conv(layers, images, { filters: 96, size: 11, strides: 4, padding: 'VALID' });
        x = mpool(layers, x, { size: 2 });
        x = conv(layers, x, { filters: 256, size: 5, padding: 'VALID' });
        x = mpool(layers, x, { size: 2 });
        for (const filters of [512, 1024, 1024]) x = conv(layers, x, { filters, size: 3 });
        x = layers.b.flatten(mpool(layers, x, { size: 2 }));
        for (const units of [3072, 4096]) x = affine(layers, x, { units });
        return x;
      },
    },
    options,
  );
}
