import type { WarningRule } from './warning.js';
import { shownRate } from './workers.js';

/** Gradients that are summed over several towers. */
export const reductionSum: WarningRule = {
  code: 'PW_REDUCTION_SUM',
  summary: "the gradients of several towers are summed, and the learning rate is not the user's own",
  why: 'a sum of N gradients makes steps N times as long as a mean does, so that a rate that is right for one tower can diverge on N',
  find: ({ module, strategy, contract, training }) => {
    const { towers } = module;
    if (contract.reduction !== 'sum' || towers < 2) return undefined;
    const rate = shownRate(training.optimizer.learningRate / towers);
    return {
      message: `${strategy} sums the gradients of ${towers} towers: steps are ${towers} times as long as with one`,
      hint: `--reduction mean, or --learning-rate ${rate} for the same steps`,
    };
  },
};
