import { affine } from '../layers/affine.js';
import { conv } from '../layers/conv.js';
import { dropout } from '../layers/dropout.js';
import { lrn } from '../layers/norm.js';
import { mpool } from '../layers/pool.js';
import {
  CIFAR10_INPUT,
  type ImageModel,
  imageClassifier,
  imagenetInput,
  type ModelOptions,
} from './classifier.js';

/** VALID in the first layer: 227 is 224 and 3 pixels of padding. */
export const ALEXNET_INPUT = imagenetInput(227);

/** tf_cnn_benchmarks' AlexNet: five convolutions, and two hidden layers of 4096 with dropout. */
export function alexnet(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'alexnet',
      defaults: ALEXNET_INPUT,
      minImageSize: 67,
      features: (layers, images) => {
        let x = conv(layers, images, { filters: 64, size: 11, strides: 4, padding: 'VALID' });
        x = mpool(layers, x, { size: 3 });
        x = conv(layers, x, { filters: 192, size: 5 });
        x = mpool(layers, x, { size: 3 });
        for (const filters of [384, 384, 256]) x = conv(layers, x, { filters, size: 3 });
        x = layers.b.flatten(mpool(layers, x, { size: 3 }));
        for (let i = 0; i < 2; i++) x = dropout(layers, affine(layers, x, { units: 4096 }));
        return x;
      },
    },
    options,
  );
}

const RESPONSE = { depthRadius: 4, bias: 1, alpha: 0.001 / 9, beta: 0.75 };

/** tf_cnn_benchmarks' AlexNet for CIFAR-10, which is TensorFlow's tutorial network. */
export function alexnetCifar(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'alexnet',
      defaults: CIFAR10_INPUT,
      features: (layers, images) => {
        let x = conv(layers, images, { filters: 64, size: 5, stddev: 0.05 });
        x = mpool(layers, x, { size: 3, padding: 'SAME' });
        x = lrn(layers, x, RESPONSE);
        x = conv(layers, x, { filters: 64, size: 5, bias: 0.1, stddev: 0.05 });
        x = lrn(layers, x, RESPONSE);
        x = layers.b.flatten(mpool(layers, x, { size: 3, padding: 'SAME' }));
        for (const units of [384, 192]) x = affine(layers, x, { units, stddev: 0.04, bias: 0.1 });
        return x;
      },
    },
    options,
  );
}
