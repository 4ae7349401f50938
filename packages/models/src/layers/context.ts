import {
  type DataFormat,
  formatShape,
  type Initializer,
  type ModelBuilder,
  PlacewrightError,
  type Tensor,
} from '@placewright/ir';

/** A float32 tensor of a model. */
export type Floats = Tensor<'float32'>;
export type Activation = 'relu' | 'tanh' | 'linear';
/** One number for both, or height and width. */
export type Pair = number | readonly [number, number];

export interface BatchNormOptions {
  /** How much of a moving average is kept each step. */
  readonly decay?: number;
  /** Added to the variance, so that nothing is divided by 0. */
  readonly epsilon?: number;
  /** Whether there is a `gamma`; without one the normalised values are only shifted. */
  readonly scale?: boolean;
}
export type BatchNormConfig = Required<BatchNormOptions>;

/** The defaults of tf_cnn_benchmarks. */
export const DEFAULT_BATCH_NORM: BatchNormConfig = { decay: 0.999, epsilon: 0.001, scale: false };

/** What the layers of one graph share: the builder, how images lie in memory, and the numbers given to layers so far. */
export interface LayerContext {
  readonly b: ModelBuilder;
  readonly dataFormat: DataFormat;
  /** Batch normalisation in place of the biases after each convolution; null for biases. */
  readonly batchNorm: BatchNormConfig | null;
  /** Whether `dropout` drops anything in training. */
  readonly realDropout: boolean;
  /** `conv0`, `conv1`, … : the name of the next layer of that kind, numbered over the whole graph. */
  readonly nextName: (kind: string) => string;
}

export interface LayerContextOptions {
  readonly dataFormat?: DataFormat;
  /** Turns batch normalisation on after convolutions; what is left out takes `DEFAULT_BATCH_NORM`. */
  readonly batchNorm?: BatchNormOptions;
  readonly realDropout?: boolean;
}

/** A context whose layers are numbered from 0: one for each graph that is built. */
export function layerContext(b: ModelBuilder, options: LayerContextOptions = {}): LayerContext {
  const counts = new Map<string, number>();
  const nextName = (kind: string): string => {
    const number = counts.get(kind) ?? 0;
    counts.set(kind, number + 1);
    return `${kind}${number}`;
  };
  const { dataFormat = 'NHWC', batchNorm: config, realDropout = false } = options;
  const batchNorm = config === undefined ? null : { ...DEFAULT_BATCH_NORM, ...config };
  return { b, dataFormat, realDropout, nextName, batchNorm };
}

/** Dimensions of one image of a batch. */
export interface ImageDims {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Throws PW_MODEL_LAYER unless `x` holds images of known size. */
export function imageDims({ dataFormat }: LayerContext, x: Floats): ImageDims {
  const [, a, b, c] = x.shape;
  if (x.shape.length !== 4 || typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number')
    throw layerError('an image layer', `${dataFormat} images of known size`, x, 'check what comes before it');
  return dataFormat === 'NHWC' ? { height: a, width: b, channels: c } : { height: b, width: c, channels: a };
}

/** A list of four in the order of the data format: what goes with the batch, height, width and channels. */
export function byDimension<T>({ dataFormat }: LayerContext, [n, h, w, c]: readonly [T, T, T, T]): T[] {
  return dataFormat === 'NHWC' ? [n, h, w, c] : [n, c, h, w];
}

export function pairOf(value: Pair): readonly [number, number] {
  return typeof value === 'number' ? [value, value] : value;
}

/** Axis of the channels. */
export function channelAxis({ dataFormat }: LayerContext): number {
  return dataFormat === 'NHWC' ? 3 : 1;
}

export function activate(b: ModelBuilder, x: Floats, activation: Activation): Floats {
  switch (activation) {
    case 'relu':
      return b.relu(x);
    case 'tanh':
      return b.tanh(x);
    case 'linear':
      return x;
  }
}

/** `x` plus a variable `biases` with one number for each channel or feature. */
export function addBiases(
  b: ModelBuilder,
  x: Floats,
  { count, value, dataFormat }: { count: number; value: number; dataFormat: DataFormat },
): Floats {
  const initializer: Initializer = value === 0 ? { kind: 'zeros' } : { kind: 'constant', value };
  return b.biasAdd(x, b.variable('biases', { shape: [count], initializer }).value, dataFormat);
}

export function layerError(layer: string, wants: string, x: Floats, hint: string): PlacewrightError {
  const message = `${layer} wants ${wants}, not ${formatShape(x.shape)}`;
  return new PlacewrightError('PW_MODEL_LAYER', message, { hint });
}
