import {
  type DataFormat,
  type DType,
  formatShape,
  type Initializer,
  type ModelBuilder,
  type Padding,
  PlacewrightError,
  type Tensor,
  type VariableHandle,
} from '@placewright/ir';

/** A float32 tensor of a model. */
export type Floats = Tensor<'float32'>;
export type Activation = 'relu' | 'tanh' | 'linear';

export interface BatchNormOptions {
  /** How much of a moving average is kept each step. */
  readonly decay?: number;
  /** Added to the variance, so that nothing is divided by 0. */
  readonly epsilon?: number;
  /** Whether there is a `gamma`; without one the normalised values are only shifted. */
  readonly scale?: boolean;
}

/** The defaults of tf_cnn_benchmarks. */
export const DEFAULT_BATCH_NORM: Required<BatchNormOptions> = { decay: 0.999, epsilon: 0.001, scale: false };

/** What the layers of one graph share: the builder, how images lie in memory, and the numbers given to layers so far. */
export interface LayerContext {
  readonly b: ModelBuilder;
  readonly dataFormat: DataFormat;
  /** Batch normalisation in place of the biases after each convolution; null for biases. */
  readonly batchNorm: Required<BatchNormOptions> | null;
  /** `conv0`, `conv1`, … : the name of the next layer of that kind, numbered over the whole graph. */
  readonly nextName: (kind: string) => string;
}

export interface LayerContextOptions {
  readonly dataFormat?: DataFormat;
  /** Turns batch normalisation on after convolutions; what is left out takes `DEFAULT_BATCH_NORM`. */
  readonly batchNorm?: BatchNormOptions;
}

/** A context whose layers are numbered from 0: one for each graph that is built. */
export function layerContext(b: ModelBuilder, options: LayerContextOptions = {}): LayerContext {
  const counts = new Map<string, number>();
  const nextName = (kind: string): string => {
    const number = counts.get(kind) ?? 0;
    counts.set(kind, number + 1);
    return `${kind}${number}`;
  };
  const { dataFormat = 'NHWC', batchNorm: config } = options;
  return {
    b,
    dataFormat,
    nextName,
    batchNorm: config === undefined ? null : { ...DEFAULT_BATCH_NORM, ...config },
  };
}

type Pair = number | readonly [number, number];

export interface ConvOptions {
  readonly filters: number;
  /** Height and width of the kernel. */
  readonly size: Pair;
  readonly strides?: Pair;
  readonly padding?: Padding;
  readonly activation?: Activation;
  /** Another choice than the context's; null for biases. */
  readonly batchNorm?: BatchNormOptions | null;
}

/**
 * `convN`: convolution, then biases or batch normalisation, then the activation (ReLU where none is named).
 * Throws PW_MODEL_LAYER when `x` is no image.
 */
export function conv(layers: LayerContext, x: Floats, options: ConvOptions): Floats {
  const { b, dataFormat } = layers;
  const { filters, strides = 1, padding = 'SAME', activation = 'relu' } = options;
  const [height, width] = typeof options.size === 'number' ? [options.size, options.size] : options.size;
  const shape = [height, width, channelsOf(layers, x), filters];
  const norm = options.batchNorm === undefined ? layers.batchNorm : options.batchNorm;
  return b.group(layers.nextName('conv'), () => {
    const y = b.group('conv2d', () => {
      const kernel = b.variable('kernel', { shape, initializer: { kind: 'glorotUniform' } });
      return b.conv2d(x, kernel.value, { strides, padding, dataFormat });
    });
    return activate(
      b,
      norm === null ? addBiases(b, y, filters, dataFormat) : batchNorm(layers, y, norm),
      activation,
    );
  });
}

export interface AffineOptions {
  readonly units: number;
  readonly activation?: Activation;
  /** Standard deviation of the initial weights; by default √(2/inputs) before a ReLU and √(1/inputs) elsewhere. */
  readonly stddev?: number;
  /** Initial biases. */
  readonly bias?: number;
}

/** `affineN`: `x·weights + biases` of `x` `[batch, features]`, then the activation (ReLU where none is named). */
export function affine(layers: LayerContext, x: Floats, options: AffineOptions): Floats {
  const { b } = layers;
  const { units, activation = 'relu', bias = 0 } = options;
  const features = x.shape[1];
  if (x.shape.length !== 2 || typeof features !== 'number') {
    throw layerError('an affine layer', '[batch, features] with known features', x, 'flatten it first');
  }
  const stddev = options.stddev ?? Math.sqrt((activation === 'relu' ? 2 : 1) / features);
  return b.group(layers.nextName('affine'), () => {
    const weights = b.variable('weights', {
      shape: [features, units],
      initializer: { kind: 'truncatedNormal', stddev },
    });
    return activate(b, addBiases(b, b.matMul(x, weights.value), units, 'NHWC', bias), activation);
  });
}

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
 * `batchnormN` over the batch and the image, channel by channel, with options beyond the context's. In training it
 * normalises by the batch and moves the averages, its variance by the unbiased one; elsewhere it takes the averages.
 */
export function batchNorm(layers: LayerContext, x: Floats, options: BatchNormOptions = {}): Floats {
  const { b } = layers;
  const config = { ...(layers.batchNorm ?? DEFAULT_BATCH_NORM), ...options };
  const shape = [channelsOf(layers, x)];
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

function addBiases(b: ModelBuilder, x: Floats, count: number, dataFormat: DataFormat, value = 0): Floats {
  const initializer: Initializer = value === 0 ? { kind: 'zeros' } : { kind: 'constant', value };
  return b.biasAdd(x, b.variable('biases', { shape: [count], initializer }).value, dataFormat);
}

function activate(b: ModelBuilder, x: Floats, activation: Activation): Floats {
  switch (activation) {
    case 'relu':
      return b.relu(x);
    case 'tanh':
      return b.tanh(x);
    case 'linear':
      return x;
  }
}

function ones(b: ModelBuilder, shape: readonly number[]): Floats {
  return b.op('Fill', [], { name: 'ones', attrs: { shape, value: 1, dtype: 'float32' }, dtype: 'float32' });
}

/** What stands for the averages that batch normalisation does not read in training. */
function none(b: ModelBuilder): Floats {
  return b.value({ dtype: 'float32', shape: [0], data: new Float32Array(0) }, 'none');
}

function channelsOf({ dataFormat }: LayerContext, x: Floats): number {
  const channels = x.shape[dataFormat === 'NHWC' ? 3 : 1];
  if (x.shape.length !== 4 || typeof channels !== 'number') {
    throw layerError(
      'a convolution or batch normalisation',
      `${dataFormat} images with known channels`,
      x,
      'check what comes before it',
    );
  }
  return channels;
}

function asFloats(x: Tensor<DType> | undefined): Floats {
  if (x?.dtype !== 'float32')
    throw new PlacewrightError('PW_OP_DTYPE', 'batch normalisation gave no float32', { kind: 'internal' });
  return x as Floats;
}

function layerError(layer: string, wants: string, x: Floats, hint: string): PlacewrightError {
  return new PlacewrightError('PW_MODEL_LAYER', `${layer} wants ${wants}, not ${formatShape(x.shape)}`, {
    hint,
  });
}
