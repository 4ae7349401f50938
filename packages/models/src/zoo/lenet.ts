import { affine, conv, mpool } from '../layers.js';
import { type ImageInput, type ImageModel, imageClassifier, type ModelOptions } from './classifier.js';

export const LENET_INPUT: ImageInput = { imageSize: 28, channels: 3, classes: 1001 };

/** tf_cnn_benchmarks' LeNet-5: two convolutions of 5×5 with max-pooling, and a hidden layer of 512. */
export function lenet(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'lenet',
      defaults: LENET_INPUT,
      features: (layers, images) => {
        const conv0 = mpool(layers, conv(layers, images, { filters: 32, size: 5 }), { size: 2 });
        const conv1 = mpool(layers, conv(layers, conv0, { filters: 64, size: 5 }), { size: 2 });
        return affine(layers, layers.b.flatten(conv1), { units: 512 });
      },
    },
    options,
  );
}
