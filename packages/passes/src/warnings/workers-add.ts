import type { WarningRule } from './warning.js';
import { shownRate, workerCount } from './workers.js';

/** Updates of several workers that add up, with plain gradient descent. */
export const workersAdd: WarningRule = {
  code: 'PW_WORKERS_ADD',
  summary: 'several workers each apply their gradients to the shared variables',
  why: 'each worker takes the mean over its own towers, but the updates of the workers add up: the effective rate grows with their number',
  find: ({ module, contract, training }) => {
    const workers = workerCount(module);
    const { kind, learningRate } = training.optimizer;
    if (contract.workers !== 'add' || workers < 2 || kind !== 'sgd') return undefined;
    return {
      message: `${workers} workers apply their gradients one after the other: a step is ${workers} times as long as with one`,
      hint: `--learning-rate ${shownRate(learningRate / workers)} for the same steps`,
    };
  },
};
