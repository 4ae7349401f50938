import { PlacewrightError } from '@placewright/ir';
import { affine } from '../layers/affine.js';
import { type ImageInput, type ImageModel, imageClassifier, type ModelOptions } from './classifier.js';

export const MLP_INPUT: ImageInput = { imageSize: 28, channels: 1, classes: 10 };

export interface MlpOptions extends ModelOptions {
  /** Units of each hidden layer, first to last; may be empty. */
  readonly hidden?: readonly number[];
}

/** A multilayer perceptron with ReLU. Throws PW_MODEL_OPTION. */
export function mlp(options: MlpOptions = {}): ImageModel {
  const { hidden = [128] } = options;
  const wrong = hidden.find((units) => !Number.isInteger(units) || units < 1);
  if (wrong !== undefined) {
    throw new PlacewrightError(
      'PW_MODEL_OPTION',
      `a hidden layer of model mlp cannot have ${String(wrong)} units`,
      {
        hint: 'whole numbers from 1',
      },
    );
  }
  return imageClassifier(
    {
      name: 'mlp',
      defaults: MLP_INPUT,
      features: (layers, images) =>
        hidden.reduce((x, units) => affine(layers, x, { units }), layers.b.flatten(images)),
    },
    options,
  );
}
