import type { Padding } from '@placewright/ir';
import { type Floats, imageDims, type LayerContext, type Pair } from './context.js';

export interface PoolOptions {
  readonly size: Pair;
  /** 2 where nothing is said, as in tf_cnn_benchmarks. */
  readonly strides?: Pair;
  readonly padding?: Padding;
}

/** `mpoolN`: the maximum of each window. */
export function mpool(layers: LayerContext, x: Floats, options: PoolOptions): Floats {
  const { strides = 2, padding = 'VALID' } = options;
  const { b, dataFormat } = layers;
  return b.group(layers.nextName('mpool'), () =>
    b.maxPool(x, options.size, { strides, padding, dataFormat }),
  );
}

/** `apoolN`: the mean of each window. */
export function apool(layers: LayerContext, x: Floats, options: PoolOptions): Floats {
  const { strides = 2, padding = 'VALID' } = options;
  const { b, dataFormat } = layers;
  return b.group(layers.nextName('apool'), () =>
    b.avgPool(x, options.size, { strides, padding, dataFormat }),
  );
}

/**
 * `apoolN` of one window that is the whole image, flattened: features `[batch, channels]`. tf_cnn_benchmarks writes the
 * window's size down for its own size of images (7×7, 8×8), and takes no others.
 */
export function apoolWhole(layers: LayerContext, x: Floats): Floats {
  const { height, width } = imageDims(layers, x);
  return layers.b.flatten(apool(layers, x, { size: [height, width], strides: 1 }));
}

/** `spatial_meanN`: the mean over the image, channel by channel: features `[batch, channels]`. */
export function spatialMean(layers: LayerContext, x: Floats): Floats {
  return layers.b.mean(x, layers.dataFormat === 'NHWC' ? [1, 2] : [2, 3], layers.nextName('spatial_mean'));
}
