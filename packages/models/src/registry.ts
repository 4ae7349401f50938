import { nearest, PlacewrightError } from '@placewright/ir';
import type { ImageInput, ImageModel, ModelOptions } from './zoo/classifier.js';
import { LENET_INPUT, lenet } from './zoo/lenet.js';
import { MLP_INPUT, mlp } from './zoo/mlp.js';
import { TINY_INPUT, tiny } from './zoo/tiny.js';
import { tinybn } from './zoo/tinybn.js';
import { TRIVIAL_INPUT, trivial } from './zoo/trivial.js';

/** A model of the zoo. */
export interface ModelEntry {
  readonly name: string;
  readonly summary: string;
  readonly factory: (options?: ModelOptions) => ImageModel;
  /** Images of one tower in one step, where nothing else is asked for. */
  readonly batchSize: number;
  /** Learning rate of momentum 0.95 where nothing else is asked for and the usual one lets the loss explode. */
  readonly learningRate?: number;
  /** What the model takes where nothing else is asked for. */
  readonly input: ImageInput;
}

// biome-ignore format: one line a model
export const MODELS: readonly ModelEntry[] = [
  { name: 'lenet', summary: 'LeNet-5: 2 convolutions, 2 affine layers', factory: lenet, batchSize: 32, input: LENET_INPUT },
  { name: 'mlp', summary: 'multilayer perceptron, one hidden layer of 128', factory: mlp, batchSize: 32, input: MLP_INPUT },
  { name: 'tiny', summary: 'small convolutional network of the recorded runs', factory: tiny, batchSize: 8, input: TINY_INPUT },
  { name: 'tinybn', summary: 'tiny with batch normalisation', factory: tinybn, batchSize: 8, input: TINY_INPUT },
  { name: 'trivial', summary: 'affine layers only, for measuring copies', factory: trivial, batchSize: 32, learningRate: 0.0001, input: TRIVIAL_INPUT },
];

/** The model of that name. Throws PW_MODEL_UNKNOWN with the nearest name. */
export function lookupModel(name: string): ModelEntry {
  const found = MODELS.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const names = MODELS.map((entry) => entry.name);
  const near = nearest(name, names);
  throw new PlacewrightError('PW_MODEL_UNKNOWN', `there is no model ${JSON.stringify(name)}`, {
    hint: near === undefined ? `one of ${names.join(', ')}` : `did you mean ${near}?`,
  });
}
