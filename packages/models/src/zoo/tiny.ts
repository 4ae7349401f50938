import { affine } from '../layers/affine.js';
import type { Floats, LayerContext } from '../layers/context.js';
import { conv } from '../layers/conv.js';
import { mpool } from '../layers/pool.js';
import { type ImageInput, type ImageModel, imageClassifier, type ModelOptions } from './classifier.js';

export const TINY_INPUT: ImageInput = { imageSize: 12, channels: 3, classes: 11 };

/** A network small enough to be trained by the interpreter: the model of the recorded training runs. */
export function tiny(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    { name: 'tiny', defaults: TINY_INPUT, minImageSize: 4, features: tinyFeatures },
    options,
  );
}

/** Features `[batch, 32]` of `tiny` and `tinybn`. */
export function tinyFeatures(layers: LayerContext, images: Floats): Floats {
  const conv0 = mpool(layers, conv(layers, images, { filters: 8, size: 3 }), { size: 2 });
  const conv1 = mpool(layers, conv(layers, conv0, { filters: 16, size: 3 }), { size: 2 });
  return affine(layers, layers.b.flatten(conv1), { units: 32 });
}
