import type { WarningRule } from './warning.js';

/** Staged variables whose gradients are staged too. */
export const staleGradients: WarningRule = {
  code: 'PW_GRADIENTS_STALE',
  summary: 'variables and gradients go through staging areas',
  why: 'an update then takes the gradient of the variables of two steps before, w(k+1) = w(k) − η·g(w(k−2)), which large rates and momentum turn into oscillation',
  find: ({ contract }) => {
    const behind = contract.staleReads + contract.staleGradients;
    if (behind < 2) return undefined;
    return {
      message: `updates apply gradients that are ${behind} steps behind`,
      hint: 'lower the learning rate or the momentum if the loss rises and falls, or go without --staged-vars',
    };
  },
};
