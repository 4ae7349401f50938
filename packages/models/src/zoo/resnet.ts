import { type Floats, imageDims, type LayerContext } from '../layers/context.js';
import { conv } from '../layers/conv.js';
import { batchNorm } from '../layers/norm.js';
import { apool, mpool, spatialMean } from '../layers/pool.js';
import { type ImageModel, imageClassifier, imagenetInput, type ModelOptions } from './classifier.js';

export const RESNET_INPUT = imagenetInput(224);

/** Blocks of each stage. */
type Depths = readonly [number, number, number, number];
export type ResnetDepth = 50 | 101 | 152;

const DEPTHS: Readonly<Record<ResnetDepth, Depths>> = {
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
};
const BATCH_NORM = { decay: 0.997, epsilon: 1e-5, scale: true };
/** Channels between the blocks of each stage; a quarter of them within. */
const STAGES = [256, 512, 1024, 2048] as const;

/**
 * tf_cnn_benchmarks' ResNet for ImageNet of bottleneck blocks: v1 (ReLU after the sum), or v2, whose blocks begin with
 * batch normalisation and ReLU; those normalisations have the library's defaults, so no gamma.
 */
export function resnet(depth: ResnetDepth, version: 1 | 2, options: ModelOptions = {}): ImageModel {
  const block = version === 1 ? bottleneckV1 : bottleneckV2;
  return imageClassifier(
    {
      name: `resnet${depth}${version === 1 ? '' : '_v2'}`,
      defaults: RESNET_INPUT,
      minImageSize: 5,
      batchNorm: BATCH_NORM,
      features: (layers, images) => {
        let x = conv(layers, images, { filters: 64, size: 7, strides: 2, padding: 'SAME_RESNET' });
        x = mpool(layers, x, { size: 3 });
        for (const [stage, channels] of STAGES.entries()) {
          for (let i = 0; i < DEPTHS[depth][stage as 0 | 1 | 2 | 3]; i++)
            x = block(layers, x, { channels, stride: stage > 0 && i === 0 ? 2 : 1 });
        }
        return spatialMean(layers, version === 1 ? x : activated(layers, x));
      },
    },
    options,
  );
}

interface BlockOptions {
  readonly channels: number;
  readonly stride: number;
}

function bottleneckV1(layers: LayerContext, x: Floats, { channels, stride }: BlockOptions): Floats {
  const { b } = layers;
  return b.group(layers.nextName('resnet_v1'), () => {
    const wide = { filters: channels, size: 1, activation: 'linear' } as const;
    const shortcut =
      imageDims(layers, x).channels === channels
        ? thinned(layers, x, stride)
        : conv(layers, x, { ...wide, strides: stride });
    return b.relu(b.add(shortcut, conv(layers, narrowed(layers, x, { channels, stride }), wide)));
  });
}

function bottleneckV2(layers: LayerContext, x: Floats, { channels, stride }: BlockOptions): Floats {
  const { b } = layers;
  const name = layers.nextName('resnet_v2');
  const before = activated(layers, x);
  return b.group(name, () => {
    const wide = { filters: channels, size: 1, activation: 'linear', batchNorm: null, bias: null } as const;
    const shortcut =
      imageDims(layers, x).channels === channels
        ? thinned(layers, x, stride)
        : conv(layers, before, { ...wide, strides: stride });
    return b.add(shortcut, conv(layers, narrowed(layers, before, { channels, stride }), wide));
  });
}

/** The two convolutions of a block with a quarter of the channels. */
function narrowed(layers: LayerContext, x: Floats, { channels, stride }: BlockOptions): Floats {
  const filters = channels / 4;
  const first = conv(layers, x, { filters, size: 1, strides: stride });
  return conv(layers, first, { filters, size: 3, padding: 'SAME_RESNET' });
}

/** Batch normalisation and ReLU, as blocks of v2 begin and a network of them ends. */
export function activated(layers: LayerContext, x: Floats): Floats {
  return layers.b.relu(batchNorm(layers, x));
}

/** One pixel of `stride`×`stride`. */
export function thinned(layers: LayerContext, x: Floats, stride: number): Floats {
  return stride === 1 ? x : apool(layers, x, { size: 1, strides: stride });
}
