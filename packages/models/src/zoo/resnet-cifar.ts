import { byDimension, type Floats, imageDims, type LayerContext } from '../layers/context.js';
import { conv } from '../layers/conv.js';
import { apool, spatialMean } from '../layers/pool.js';
import { CIFAR10_INPUT, type ImageModel, imageClassifier, type ModelOptions } from './classifier.js';
import { activated } from './resnet.js';

/** Layers in all: 6n + 2 for n blocks in each of the three stages. */
export type ResnetCifarDepth = 20 | 32 | 44 | 56 | 110;

const BATCH_NORM = { decay: 0.9, epsilon: 1e-5, scale: true };
/** Channels of each stage. */
const STAGES = [16, 32, 64] as const;

/**
 * tf_cnn_benchmarks' ResNet for CIFAR-10 of residual blocks: v1 (ReLU after the sum), or v2, whose blocks begin with
 * batch normalisation and ReLU; those normalisations have the library's defaults, so no gamma.
 */
export function resnetCifar(depth: ResnetCifarDepth, version: 1 | 2, options: ModelOptions = {}): ImageModel {
  const block = version === 1 ? residualV1 : residualV2;
  return imageClassifier(
    {
      name: `resnet${depth}${version === 1 ? '' : '_v2'}`,
      defaults: CIFAR10_INPUT,
      batchNorm: BATCH_NORM,
      features: (layers, images) => {
        // v1 has no ReLU here in tf_cnn_benchmarks: its first block sums onto values of both signs.
        let x = conv(layers, images, { filters: 16, size: 3, activation: version === 1 ? 'linear' : 'relu' });
        for (const [stage, channels] of STAGES.entries()) {
          for (let i = 0; i < (depth - 2) / 6; i++)
            x = block(layers, x, channels, stage > 0 && i === 0 ? 2 : 1);
        }
        return spatialMean(layers, version === 1 ? x : activated(layers, x));
      },
    },
    options,
  );
}

function residualV1(layers: LayerContext, x: Floats, channels: number, stride: number): Floats {
  const { b } = layers;
  const shortcut = widened(layers, x, channels, stride);
  const inner = conv(layers, x, { filters: channels, size: 3, strides: stride });
  return b.relu(b.add(shortcut, conv(layers, inner, { filters: channels, size: 3, activation: 'linear' })));
}

function residualV2(layers: LayerContext, x: Floats, channels: number, stride: number): Floats {
  const shortcut = widened(layers, x, channels, stride);
  const inner = conv(layers, activated(layers, x), { filters: channels, size: 3, strides: stride });
  const outer = { filters: channels, size: 3, activation: 'linear', batchNorm: null, bias: null } as const;
  return layers.b.add(shortcut, conv(layers, inner, outer));
}

/** `x` with as many channels as asked for: one pixel of `stride`×`stride`, and channels of zeros on both sides. */
function widened(layers: LayerContext, x: Floats, channels: number, stride: number): Floats {
  const more = channels - imageDims(layers, x).channels;
  if (more === 0) return x;
  const around: [number, number] = [Math.floor(more / 2), Math.ceil(more / 2)];
  const paddings = byDimension(layers, [[0, 0], [0, 0], [0, 0], around]).flat();
  const pooled = apool(layers, x, { size: 1, strides: stride });
  return layers.b.op('Pad', [pooled], { attrs: { paddings }, dtype: 'float32' });
}
