import {
  type DataFormat,
  defineModel,
  type InputSpecs,
  type ModelBuilder,
  type ModelDef,
  type ModelOutputs,
  type Tensor,
  unreachable,
} from '@placewright/ir';
import {
  affine,
  apool,
  type BatchNormOptions,
  batchNorm,
  conv,
  type Floats,
  type LayerContext,
  layerContext,
  mpool,
} from '@placewright/models';
import type { LayerPlan, ModelPlan } from './arbitraries/model.js';

/** Faster averages and a larger ε than models use: a few steps must show, and rounding must not. */
const BATCH_NORM: Required<BatchNormOptions> = { decay: 0.7, epsilon: 0.01, scale: false };
const LABELS = 'labels';

/** Name of the input that the model of a plan takes beside `labels`. */
export function inputName(plan: ModelPlan): string {
  return plan.names[0] ?? 'x';
}

/** Shape of one example of the input. */
export function inputShape({ input }: ModelPlan): readonly number[] {
  if (input.kind === 'vector') return [input.features];
  const { size, channels, format } = input;
  return format === 'NHWC' ? [size, size, channels] : [channels, size, size];
}

/** The model of a plan: the input (named by the plan) and `labels`, int32 from 0; fetches `correctCount` and `logits`. */
export function modelOf(plan: ModelPlan): ModelDef {
  // As own properties, whatever the name is.
  const inputs: InputSpecs = Object.fromEntries([
    [inputName(plan), { dtype: 'float32', shape: inputShape(plan) }],
    [LABELS, { dtype: 'int32', shape: [] }],
  ]);
  return defineModel({
    name: 'random',
    inputs,
    build: (b, given) => {
      const x = given[inputName(plan)] as Floats;
      const labels = given[LABELS] as Tensor<'int32'>;
      return outputs(b, plan, features(b, plan, x), labels);
    },
  });
}

function features(b: ModelBuilder, plan: ModelPlan, x: Floats): Floats {
  const format: DataFormat = plan.input.kind === 'image' ? plan.input.format : 'NHWC';
  const stacked = plan.layers.reduce((tensor, layer, i) => {
    const layers = layerContext(b, { dataFormat: format });
    // A group puts its name in front of its variables; the shared one belongs to none.
    if (layer.kind === 'shared') return b.mul(tensor, sharedScale(layers, plan, tensor));
    return b.group(plan.names[i + 2] ?? `layer${i}`, () => addLayer(layers, layer, tensor));
  }, x);
  return stacked.shape.length === 4 ? b.flatten(stacked) : stacked;
}

function addLayer(layers: LayerContext, layer: Exclude<LayerPlan, { kind: 'shared' }>, x: Floats): Floats {
  const { b } = layers;
  const image = x.shape.length === 4;
  switch (layer.kind) {
    case 'conv':
      return image ? addConv(layers, layer, x) : x;
    case 'pool':
      return image ? addPool(layers, layer, x) : x;
    case 'batchNorm':
      return image ? batchNorm(layers, x, { ...BATCH_NORM, scale: layer.scale }) : x;
    case 'affine':
      return affine(layers, image ? b.flatten(x) : x, { units: layer.units, activation: layer.activation });
    case 'residual':
      return b.add(x, addSame(layers, x, layer.activation));
    case 'diamond':
      return b.add(b.mul(b.tanh(x), b.sigmoid(x)), x);
    default:
      return unreachable(layer);
  }
}

function addConv(layers: LayerContext, layer: Extract<LayerPlan, { kind: 'conv' }>, x: Floats): Floats {
  const { filters, stride, padding, norm, activation } = layer;
  const size = Math.min(layer.size, padding === 'VALID' ? sideOf(layers, x) : layer.size);
  const options = norm === 'bias' ? null : { ...BATCH_NORM, scale: norm === 'scaledBatchNorm' };
  return conv(layers, x, { filters, size, strides: stride, padding, activation, batchNorm: options });
}

function addPool(layers: LayerContext, layer: Extract<LayerPlan, { kind: 'pool' }>, x: Floats): Floats {
  const size = Math.min(layer.size, sideOf(layers, x));
  // Strides below the size: windows overlap.
  const options = { size, strides: Math.max(1, size - 1), padding: layer.padding };
  return layer.pool === 'max' ? mpool(layers, x, options) : apool(layers, x, options);
}

function addSame(layers: LayerContext, x: Floats, activation: 'relu' | 'tanh' | 'linear'): Floats {
  const channels = channelsOf(layers, x);
  if (x.shape.length === 4)
    return conv(layers, x, { filters: channels, size: 1, activation, batchNorm: null });
  return affine(layers, x, { units: channels, activation });
}

function sharedScale({ b, dataFormat }: LayerContext, plan: ModelPlan, x: Floats): Floats {
  const channels = channelsOf({ dataFormat }, x);
  const shape = x.shape.length === 4 && dataFormat === 'NCHW' ? [channels, 1, 1] : [channels];
  const name = `${plan.names[1] ?? 'shared'}/${shape.join('x')}`;
  return b.variable(name, { shape, initializer: { kind: 'glorotUniform' } }).value;
}

function channelsOf({ dataFormat }: Pick<LayerContext, 'dataFormat'>, x: Floats): number {
  return x.shape[x.shape.length === 2 ? 1 : dataFormat === 'NHWC' ? 3 : 1] ?? 1;
}

function sideOf({ dataFormat }: LayerContext, x: Floats): number {
  return x.shape[dataFormat === 'NHWC' ? 1 : 2] ?? 1;
}

function outputs(b: ModelBuilder, plan: ModelPlan, x: Floats, labels: Tensor<'int32'>): ModelOutputs {
  const layers = layerContext(b);
  const last = affine(layers, x, { units: plan.classes, activation: 'linear', stddev: 0.5 });
  const logits = plan.evalOnly && !b.training ? b.add(last, evalOnly(b, plan)) : last;
  const loss =
    plan.loss === 'crossEntropy'
      ? b.mean(b.sparseSoftmaxCrossEntropy(logits, labels), [0])
      : b.mean(b.sum(b.square(logits), [1]), [0]);
  return { loss, metrics: { correctCount: b.correctCount(logits, labels), logits } };
}

function evalOnly(b: ModelBuilder, plan: ModelPlan): Floats {
  const initializer = { kind: 'truncatedNormal', stddev: 1 } as const;
  return b.variable('evalOnly', { shape: [plan.classes], initializer }).value;
}
