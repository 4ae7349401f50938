import { affine } from '../layers/affine.js';
import { conv } from '../layers/conv.js';
import { dropout } from '../layers/dropout.js';
import { mpool } from '../layers/pool.js';
import { type ImageModel, imageClassifier, imagenetInput, type ModelOptions } from './classifier.js';

export const VGG_INPUT = imagenetInput(224);

/** Filters of each of the five blocks. */
const FILTERS = [64, 128, 256, 512, 512] as const;
type Depths = readonly [number, number, number, number, number];

/** Blocks of 3×3 convolutions, each halved by a pool, and two hidden layers of 4096 with dropout. */
function vgg(name: string, depths: Depths, options: ModelOptions): ImageModel {
  return imageClassifier(
    {
      name,
      defaults: VGG_INPUT,
      minImageSize: 32,
      features: (layers, images) => {
        let x = images;
        for (const [block, filters] of FILTERS.entries()) {
          for (let i = 0; i < (depths[block] ?? 0); i++) x = conv(layers, x, { filters, size: 3 });
          x = mpool(layers, x, { size: 2 });
        }
        x = layers.b.flatten(x);
        for (let i = 0; i < 2; i++) x = dropout(layers, affine(layers, x, { units: 4096 }));
        return x;
      },
    },
    options,
  );
}

/** VGG's model A. */
export const vgg11 = (options: ModelOptions = {}): ImageModel => vgg('vgg11', [1, 1, 2, 2, 2], options);
/** VGG's model D. */
export const vgg16 = (options: ModelOptions = {}): ImageModel => vgg('vgg16', [2, 2, 3, 3, 3], options);
/** VGG's model E. */
export const vgg19 = (options: ModelOptions = {}): ImageModel => vgg('vgg19', [2, 2, 4, 4, 4], options);
