import {
  type DataFormat,
  defineModel,
  type InputSpec,
  type ModelBuilder,
  type ModelDef,
  type ModelOutputs,
  PlacewrightError,
  type Tensor,
} from '@placewright/ir';
import { affine } from '../layers/affine.js';
import { type BatchNormOptions, type Floats, type LayerContext, layerContext } from '../layers/context.js';

/** What the images that a model takes look like. */
export interface ImageInput {
  /** Height and width in pixels. */
  readonly imageSize: number;
  readonly channels: number;
  /** Outputs of the last layer. tf_cnn_benchmarks has one more than there are labels (ImageNet: 1001, CIFAR-10: 11). */
  readonly classes: number;
}

/** The data sets of tf_cnn_benchmarks; they decide about classes, CIFAR-10 about the images too. */
export type DataName = 'imagenet' | 'cifar10';

/** Images of ImageNet, cut to the model's size. */
export const imagenetInput = (imageSize: number): ImageInput => ({ imageSize, channels: 3, classes: 1001 });
export const CIFAR10_INPUT: ImageInput = { imageSize: 32, channels: 3, classes: 11 };

/** Another input than the model's own, and how images lie in memory inside the model (they are fed as NHWC always). */
export interface ModelOptions extends Partial<ImageInput> {
  readonly dataFormat?: DataFormat;
  /** Whether dropout drops anything; it never does in tf_cnn_benchmarks, so it does not unless asked for. */
  readonly realDropout?: boolean;
}

/** Images float32 `[batch, height, width, channels]` of 0 to 255, labels int32 `[batch]` from 0. */
export type ImageInputs = { readonly images: InputSpec<'float32'>; readonly labels: InputSpec<'int32'> };
export type ImageModel = ModelDef<ImageInputs>;

export interface ClassifierSpec {
  readonly name: string;
  readonly defaults: ImageInput;
  readonly batchNorm?: BatchNormOptions;
  /** Images below this size leave nothing for the last layers; 1 where left out. */
  readonly minImageSize?: number;
  /** From scaled images, in the context's data format, to features `[batch, n]`. */
  readonly features: (layers: LayerContext, images: Floats) => Floats | Arms;
}

/** Features of a network that is also trained by an arm of its middle. */
export interface Arms {
  readonly features: Floats;
  /** Features of the auxiliary classifier, whose loss counts 0.4; null for none. */
  readonly aux: Floats | null;
}

/**
 * A model that sorts images into classes: `features`, a last affine layer, and the mean softmax cross entropy.
 * It gives `correctCount` beside the loss, and `logits` in `eval`. Throws PW_MODEL_OPTION.
 *
 * Features are flattened as they lie in memory, as in tf_cnn_benchmarks: the first affine layer's rows are in another
 * order for NCHW than for NHWC, so a checkpoint belongs to its data format.
 */
export function imageClassifier(spec: ClassifierSpec, options: ModelOptions): ImageModel {
  const { imageSize, channels, classes } = checkInput(spec, options);
  const dataFormat = checkDataFormat(spec.name, options.dataFormat);
  const { batchNorm } = spec;
  const { realDropout = false } = options;
  const context = { dataFormat, realDropout, ...(batchNorm === undefined ? {} : { batchNorm }) };
  return defineModel({
    name: spec.name,
    inputs: {
      images: { dtype: 'float32', shape: [imageSize, imageSize, channels] },
      labels: { dtype: 'int32', shape: [] },
    },
    build: (b, { images, labels }) => {
      const layers = layerContext(b, context);
      const built = spec.features(layers, prepare(b, images, dataFormat));
      const { features, aux } = 'aux' in built ? built : { features: built, aux: null };
      const last = { units: classes, activation: 'linear' } as const;
      const logits = affine(layers, features, last);
      const auxLogits = aux === null ? null : affine(layers, aux, { ...last, stddev: 0.001 });
      return outputs(b, { logits, auxLogits, labels });
    },
  });
}

/** Pixels of 0 to 255 to values of −1 to 1, and channels to where the model wants them. */
function prepare(b: ModelBuilder, images: Floats, dataFormat: DataFormat): Floats {
  return b.group('preprocess', () => {
    const unit = b.sub(b.mul(images, b.constant(1 / 256)), b.constant(0.5));
    const scaled = b.mul(unit, b.constant(2));
    return dataFormat === 'NCHW' ? b.transpose(scaled, [0, 3, 1, 2]) : scaled;
  });
}

interface Results {
  readonly logits: Floats;
  readonly auxLogits: Floats | null;
  readonly labels: Tensor<'int32'>;
}

/** Share of the auxiliary classifier's loss. */
const AUX_SHARE = 0.4;

function outputs(b: ModelBuilder, { logits, auxLogits, labels }: Results): ModelOutputs {
  return b.group('loss', () => {
    const entropy = (of: Floats, name: string): Floats =>
      b.mean(b.sparseSoftmaxCrossEntropy(of, labels), [0], name);
    const main = entropy(logits, 'xentropy_mean');
    const loss =
      auxLogits === null
        ? main
        : b.add(main, b.mul(entropy(auxLogits, 'aux_loss'), b.constant(AUX_SHARE)), 'total');
    const correctCount = b.correctCount(logits, labels);
    return { loss, metrics: b.training ? { correctCount } : { correctCount, logits } };
  });
}

/** More than any data set has; a larger number is a slip. */
const LIMITS: ImageInput = { imageSize: 4096, channels: 1024, classes: 1_000_000 };

function checkInput(spec: ClassifierSpec, options: ModelOptions): ImageInput {
  const pick = (key: keyof ImageInput): number => {
    const value = options[key] ?? spec.defaults[key];
    const least = key === 'imageSize' ? (spec.minImageSize ?? 1) : 1;
    if (Number.isInteger(value) && value >= least && value <= LIMITS[key]) return value;
    throw new PlacewrightError('PW_MODEL_OPTION', `${key} of model ${spec.name} cannot be ${String(value)}`, {
      hint: `a whole number from ${least} to ${LIMITS[key]}`,
    });
  };
  return { imageSize: pick('imageSize'), channels: pick('channels'), classes: pick('classes') };
}

function checkDataFormat(model: string, value: DataFormat = 'NHWC'): DataFormat {
  if (value === 'NHWC' || value === 'NCHW') return value;
  throw new PlacewrightError(
    'PW_MODEL_OPTION',
    `dataFormat of model ${model} cannot be ${JSON.stringify(value)}`,
    {
      hint: 'NHWC or NCHW',
    },
  );
}
