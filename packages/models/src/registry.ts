import { nearest, PlacewrightError } from '@placewright/ir';
import { ALEXNET_INPUT, alexnet, alexnetCifar } from './zoo/alexnet.js';
import {
  CIFAR10_INPUT,
  type DataName,
  type ImageInput,
  type ImageModel,
  type ModelOptions,
} from './zoo/classifier.js';
import { GOOGLENET_INPUT, googlenet } from './zoo/googlenet.js';
import { INCEPTION_INPUT, inception3 } from './zoo/inception3.js';
import { inception4 } from './zoo/inception4.js';
import { LENET_INPUT, lenet } from './zoo/lenet.js';
import { MLP_INPUT, mlp } from './zoo/mlp.js';
import { OVERFEAT_INPUT, overfeat } from './zoo/overfeat.js';
import { RESNET_INPUT, type ResnetDepth, resnet } from './zoo/resnet.js';
import { type ResnetCifarDepth, resnetCifar } from './zoo/resnet-cifar.js';
import { TINY_INPUT, tiny } from './zoo/tiny.js';
import { tinybn } from './zoo/tinybn.js';
import { TRIVIAL_INPUT, trivial } from './zoo/trivial.js';
import { VGG_INPUT, vgg11, vgg16, vgg19 } from './zoo/vgg.js';

/** A model of the zoo. */
export interface ModelEntry {
  readonly name: string;
  readonly summary: string;
  readonly factory: (options?: ModelOptions) => ImageModel;
  /** Images of one tower in one step, where nothing else is asked for. */
  readonly batchSize: number;
  /** tf_cnn_benchmarks' learning rate for the model, of plain SGD; left out for models that are not its own. */
  readonly learningRate?: number;
  /** Learning rate of momentum 0.95 where nothing else is asked for and the usual one lets the loss explode. */
  readonly momentumRate?: number;
  /** What the model takes where nothing else is asked for. */
  readonly input: ImageInput;
  /** The data sets that tf_cnn_benchmarks has the model for; empty for a model of any data. */
  readonly dataSets: readonly DataName[];
}

type Zoo = readonly ModelEntry[];
const IMAGENET = { learningRate: 0.005, dataSets: ['imagenet'] } as const satisfies Partial<ModelEntry>;
const CIFAR10 = {
  learningRate: 0.1,
  batchSize: 128,
  input: CIFAR10_INPUT,
  dataSets: ['cifar10'],
} as const satisfies Partial<ModelEntry>;
const ANY = { dataSets: [] } as const satisfies Partial<ModelEntry>;

// biome-ignore format: one line a model
const SMALL: Zoo = [
  { ...IMAGENET, name: 'lenet', summary: 'LeNet-5: 2 convolutions, 2 affine layers', factory: lenet, batchSize: 32, input: LENET_INPUT },
  { ...ANY, name: 'mlp', summary: 'multilayer perceptron, one hidden layer of 128', factory: mlp, batchSize: 32, input: MLP_INPUT },
  { ...ANY, name: 'tiny', summary: 'small convolutional network of the recorded runs', factory: tiny, batchSize: 8, input: TINY_INPUT },
  { ...ANY, name: 'tinybn', summary: 'tiny with batch normalisation', factory: tinybn, batchSize: 8, input: TINY_INPUT },
  { ...IMAGENET, name: 'trivial', summary: 'affine layers only, for measuring copies', factory: trivial, batchSize: 32, momentumRate: 0.0001, input: TRIVIAL_INPUT },
];

// biome-ignore format: one line a model
const LARGE: Zoo = [
  { ...IMAGENET, name: 'alexnet', summary: 'AlexNet: 5 convolutions, 3 affine layers', factory: alexnet, batchSize: 512, input: ALEXNET_INPUT },
  { ...IMAGENET, name: 'overfeat', summary: 'OverFeat: 5 convolutions, 3 affine layers', factory: overfeat, batchSize: 32, input: OVERFEAT_INPUT },
  { ...IMAGENET, name: 'vgg11', summary: 'VGG, model A', factory: vgg11, batchSize: 64, input: VGG_INPUT },
  { ...IMAGENET, name: 'vgg16', summary: 'VGG, model D', factory: vgg16, batchSize: 64, input: VGG_INPUT },
  { ...IMAGENET, name: 'vgg19', summary: 'VGG, model E', factory: vgg19, batchSize: 64, input: VGG_INPUT },
  { ...IMAGENET, name: 'googlenet', summary: 'GoogLeNet: 9 inception modules', factory: googlenet, batchSize: 32, input: GOOGLENET_INPUT },
  { ...IMAGENET, name: 'inception3', summary: 'Inception v3: 11 modules, batch normalisation', factory: inception3, batchSize: 32, input: INCEPTION_INPUT },
  { ...IMAGENET, name: 'inception4', summary: 'Inception v4: 19 modules, batch normalisation', factory: inception4, batchSize: 32, input: INCEPTION_INPUT },
];

const RESNETS: Zoo = ([50, 101, 152] as const).flatMap((depth) => [
  resnetEntry(depth, 1),
  resnetEntry(depth, 2),
]);

const trivialCifar = (options: ModelOptions = {}): ImageModel => trivial({ ...CIFAR10_INPUT, ...options });

const CIFAR: Zoo = [
  {
    ...CIFAR10,
    name: 'trivial',
    summary: 'trivial for CIFAR-10',
    factory: trivialCifar,
    batchSize: 32,
    learningRate: 0.005,
  },
  { ...CIFAR10, name: 'alexnet', summary: 'AlexNet for CIFAR-10', factory: alexnetCifar },
  ...([20, 32, 44, 56, 110] as const).flatMap((depth) => [cifarEntry(depth, 1), cifarEntry(depth, 2)]),
];

/** By name a model may stand here twice, once for each data set: `lookupModel` chooses. */
export const MODELS: Zoo = [...SMALL, ...LARGE, ...RESNETS, ...CIFAR];

function versioned(depth: number, version: 1 | 2): Pick<ModelEntry, 'name' | 'summary'> {
  const name = `resnet${depth}${version === 1 ? '' : '_v2'}`;
  return { name, summary: `ResNet-${depth}${version === 1 ? '' : ', v2'}` };
}

function resnetEntry(depth: ResnetDepth, version: 1 | 2): ModelEntry {
  const { name, summary } = versioned(depth, version);
  return {
    ...IMAGENET,
    name,
    summary: `${summary}: bottleneck blocks`,
    factory: (options = {}) => resnet(depth, version, options),
    batchSize: depth === 50 ? 64 : 32,
    input: RESNET_INPUT,
  };
}

function cifarEntry(depth: ResnetCifarDepth, version: 1 | 2): ModelEntry {
  const { name, summary } = versioned(depth, version);
  return {
    ...CIFAR10,
    name,
    summary: `${summary} for CIFAR-10`,
    factory: (options = {}) => resnetCifar(depth, version, options),
  };
}

/**
 * The model of that name for that data set; where no data set is named, the first of that name. Throws PW_MODEL_UNKNOWN
 * with the nearest name, PW_MODEL_DATA where tf_cnn_benchmarks does not have the model for the data set.
 */
export function lookupModel(name: string, dataName?: DataName): ModelEntry {
  const named = MODELS.filter((entry) => entry.name === name);
  const [first] = named;
  if (first === undefined) throw unknownModel(name);
  if (dataName === undefined) return first;
  const fits = ({ dataSets }: ModelEntry): boolean => dataSets.length === 0 || dataSets.includes(dataName);
  const found = named.find(fits);
  if (found !== undefined) return found;
  throw new PlacewrightError('PW_MODEL_DATA', `model ${name} is not made for ${dataName}`, {
    hint: `leave the data set out, or take one of ${[...new Set(MODELS.filter(fits).map((entry) => entry.name))].join(', ')}`,
  });
}

function unknownModel(name: string): PlacewrightError {
  const names = [...new Set(MODELS.map((entry) => entry.name))];
  const near = nearest(name, names);
  return new PlacewrightError('PW_MODEL_UNKNOWN', `there is no model ${JSON.stringify(name)}`, {
    hint: near === undefined ? `one of ${names.join(', ')}` : `did you mean ${near}?`,
  });
}
