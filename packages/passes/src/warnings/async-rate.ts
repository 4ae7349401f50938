import type { TrainingSpec } from '@placewright/ir';
import type { WarningRule } from './warning.js';
import { shownRate, workerCount } from './workers.js';

/** Length of a step, in units of the gradient, that is taken for large when nothing bounds the gradient. */
const LARGE = 0.1;

/** Asynchronous training with long steps and no clipping. */
export const asyncRate: WarningRule = {
  code: 'PW_ASYNC_RATE',
  summary: 'asynchronous training without clipping and with a large learning rate',
  why: 'gradients of variables that others have changed since are applied at full length, and nothing bounds them: a single late one can throw the training off',
  find: ({ module, contract, training }) => {
    const workers = workerCount(module);
    const length = stepLength(training) * workers;
    if (contract.permittedSkew === 'none' || training.clip.kind !== 'none' || workers < 2) return undefined;
    if (length < LARGE) return undefined;
    return {
      message: `${workers} workers train asynchronously, without clipping, at an effective learning rate of ${shownRate(length)}`,
      hint: '--gradient-clip, a lower --learning-rate, or --cross-replica-sync true',
    };
  },
};

/** What a steady gradient of 1 moves a variable by in a step, in the long run: momentum µ makes it 1/(1−µ) times η. */
function stepLength({ optimizer }: TrainingSpec): number {
  switch (optimizer.kind) {
    case 'sgd':
      return optimizer.learningRate;
    case 'momentum':
    case 'rmsprop':
      return optimizer.learningRate / Math.max(1e-6, 1 - optimizer.momentum);
  }
}
