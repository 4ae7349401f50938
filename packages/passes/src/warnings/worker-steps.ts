import type { WarningRule } from './warning.js';
import { workerCount } from './workers.js';

/** Optimizers with state that take one step for each worker. */
export const workerSteps: WarningRule = {
  code: 'PW_WORKER_STEPS',
  summary: 'several workers, and an optimizer that keeps state from step to step',
  why: "momentum and RMSProp are not linear in the gradient: W updates in order of arrival are not one update by the workers' sum, and momentum decays W times a step",
  find: ({ module, contract, training }) => {
    const workers = workerCount(module);
    const { kind } = training.optimizer;
    if (contract.workers !== 'add' || workers < 2 || kind === 'sgd') return undefined;
    return {
      message: `${kind} takes ${workers} steps of its own in each step, one for each worker, in order of arrival`,
      hint: '--optimizer sgd for updates that add up, or one worker with more towers',
    };
  },
};
