import { affine } from '../layers/affine.js';
import { conv } from '../layers/conv.js';
import { mpool } from '../layers/pool.js';
import { type ImageModel, imageClassifier, imagenetInput, type ModelOptions } from './classifier.js';

export const LENET_INPUT = imagenetInput(28);

/** tf_cnn_benchmarks' LeNet-5: two convolutions of 5×5 with max-pooling, and a hidden layer of 512. */
export function lenet(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'lenet',
      defaults: LENET_INPUT,
      minImageSize: 4,
      features: (layers, images) => {
        const conv0 = mpool(layers, conv(layers, images, { filters: 32, size: 5 }), { size: 2 });
        const conv1 = mpool(layers, conv(layers, conv0, { filters: 64, size: 5 }), { size: 2 });
        return affine(layers, layers.b.flatten(conv1), { units: 512 });
      },
    },
    options,
  );
}
