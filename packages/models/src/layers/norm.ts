import {
  type DType,
  type ModelBuilder,
  PlacewrightError,
  type Tensor,
  type VariableHandle,
} from '@placewright/ir';
import {
  type BatchNormOptions,
  channelAxis,
  DEFAULT_BATCH_NORM,
  type Floats,
  imageDims,
  type LayerContext,
  layerError,
} from './context.js';

/**
 * `batchnormN` over the batch and the image, channel by channel. What is left out takes `DEFAULT_BATCH_NORM`: the
 * context's choice holds for its convolutions alone, as in tf_cnn_benchmarks. In training it normalises by the batch
 * and moves the averages, its variance by the unbiased one; elsewhere it takes the averages.
 */
export function batchNorm(layers: LayerContext, x: Floats, options: BatchNormOptions = {}): Floats {
  const { b } = layers;
  const config = { ...DEFAULT_BATCH_NORM, ...options };
  const shape = [imageDims(layers, x).channels];
  return b.group(layers.nextName('batchnorm'), () => {
    const beta = b.variable('beta', { shape, initializer: { kind: 'zeros' } }).value;
    const gamma = config.scale
      ? b.variable('gamma', { shape, initializer: { kind: 'ones' } }).value
      : ones(b, shape);
    const average = (name: string, kind: 'zeros' | 'ones'): VariableHandle =>
      b.variable(name, { shape, initializer: { kind }, trainable: false });
    const mean = average('moving_mean', 'zeros');
    const variance = average('moving_variance', 'ones');
    const attrs = { epsilon: config.epsilon, is_training: b.training, data_format: layers.dataFormat };
    const given = b.training ? [none(b), none(b)] : [mean.value, variance.value];
    const [y, batchMean, batchVariance] = b.ops('FusedBatchNormV3', [x, gamma, beta, ...given], { attrs });
    if (b.training) {
      moveAverage(b, mean, asFloats(batchMean), config.decay);
      moveAverage(b, variance, asFloats(batchVariance), config.decay);
    }
    return asFloats(y);
  });
}

/** `average -= (average − value)·(1 − decay)`, run every step. */
function moveAverage(b: ModelBuilder, average: VariableHandle, value: Floats, decay: number): void {
  b.group('AssignMovingAvg', () => {
    const delta = b.mul(b.sub(average.value, value), b.constant(1 - decay, 'decay'));
    b.assignSub(average, delta);
  });
}

function ones(b: ModelBuilder, shape: readonly number[]): Floats {
  return b.op('Fill', [], { name: 'ones', attrs: { shape, value: 1, dtype: 'float32' }, dtype: 'float32' });
}

/** What stands for the averages that batch normalisation does not read in training. */
function none(b: ModelBuilder): Floats {
  return b.value({ dtype: 'float32', shape: [0], data: new Float32Array(0) }, 'none');
}

function asFloats(x: Tensor<DType> | undefined): Floats {
  if (x?.dtype !== 'float32')
    throw new PlacewrightError('PW_OP_DTYPE', 'batch normalisation gave no float32', { kind: 'internal' });
  return x as Floats;
}

export interface LrnOptions {
  /** Channels on either side that count. */
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

/**
 * `lrnN`: each value divided by `(bias + alpha·Σ neighbours²)^beta`, the neighbours being those in the channels beside
 * it. (tf_cnn_benchmarks takes the last dimension for the channels in NCHW too, which is the width; this one does not.)
 */
export function lrn(layers: LayerContext, x: Floats, { depthRadius, ...rest }: LrnOptions): Floats {
  const { b, dataFormat } = layers;
  if (x.shape.length !== 4)
    throw layerError('local response normalisation', 'images', x, 'put it before flattening');
  return b.group(layers.nextName('lrn'), () => {
    const attrs = { depth_radius: depthRadius, ...rest };
    const run = (y: Floats): Floats => b.op('LRN', [y], { attrs, dtype: 'float32' });
    if (dataFormat === 'NHWC') return run(x);
    return b.transpose(run(b.transpose(x, [0, 2, 3, channelAxis(layers)])), [0, 3, 1, 2]);
  });
}
