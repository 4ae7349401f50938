import type { Padding } from '@placewright/ir';
import {
  type Activation,
  activate,
  addBiases,
  type BatchNormOptions,
  byDimension,
  type Floats,
  imageDims,
  type LayerContext,
  type Pair,
  pairOf,
} from './context.js';
import { batchNorm } from './norm.js';

/** `SAME_RESNET` pads by the kernel alone, whatever the stride and the image are, as ResNets are defined. */
export type ConvPadding = Padding | 'SAME_RESNET';

export interface ConvOptions {
  readonly filters: number;
  /** Height and width of the kernel. */
  readonly size: Pair;
  readonly strides?: Pair;
  readonly padding?: ConvPadding;
  readonly activation?: Activation;
  /** Another choice than the context's, where left out fields take `DEFAULT_BATCH_NORM`; null for biases. */
  readonly batchNorm?: BatchNormOptions | null;
  /** Initial biases where there is no batch normalisation; null for none at all. */
  readonly bias?: number | null;
  /** Standard deviation of the initial kernel, a truncated normal; Glorot's uniform where left out. */
  readonly stddev?: number;
}

/**
 * `convN`: convolution, then biases or batch normalisation, then the activation (ReLU where none is named).
 * Throws PW_MODEL_LAYER when `x` is no image.
 */
export function conv(layers: LayerContext, x: Floats, options: ConvOptions): Floats {
  const { b, dataFormat } = layers;
  const { filters, activation = 'relu', bias = 0 } = options;
  const norm = options.batchNorm === undefined ? layers.batchNorm : options.batchNorm;
  return b.group(layers.nextName('conv'), () => {
    const y = convolve(layers, x, options);
    if (norm !== null) return activate(b, batchNorm(layers, y, norm), activation);
    const biased = bias === null ? y : addBiases(b, y, { count: filters, value: bias, dataFormat });
    return activate(b, biased, activation);
  });
}

function convolve(layers: LayerContext, x: Floats, options: ConvOptions): Floats {
  const { b, dataFormat } = layers;
  const { filters, strides = 1, padding = 'SAME', stddev } = options;
  const size = pairOf(options.size);
  const strided = pairOf(strides).some((stride) => stride !== 1);
  const ahead = padding === 'SAME_RESNET' && strided;
  const input = ahead ? padByKernel(layers, x, size) : x;
  return b.group('conv2d', () => {
    const kernel = b.variable('kernel', {
      shape: [...size, imageDims(layers, x).channels, filters],
      initializer: stddev === undefined ? { kind: 'glorotUniform' } : { kind: 'truncatedNormal', stddev },
    });
    const within = padding === 'SAME_RESNET' ? (ahead ? 'VALID' : 'SAME') : padding;
    return b.conv2d(input, kernel.value, { strides, padding: within, dataFormat });
  });
}

/** Zeros around the image, one fewer than the kernel in all, the odd one after it. */
function padByKernel(layers: LayerContext, x: Floats, [height, width]: readonly [number, number]): Floats {
  const around = (total: number): [number, number] => [Math.floor(total / 2), Math.ceil(total / 2)];
  const paddings = byDimension(layers, [[0, 0], around(height - 1), around(width - 1), [0, 0]]).flat();
  return layers.b.op('Pad', [x], { attrs: { paddings }, dtype: 'float32' });
}
