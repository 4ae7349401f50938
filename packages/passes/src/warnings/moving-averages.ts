import type { WarningRule } from './warning.js';

/** Batch normalisation on several towers. */
export const movingAverages: WarningRule = {
  code: 'PW_MOVING_AVERAGES',
  summary: 'a model with moving averages on several towers',
  why: 'as in the original only the first tower updates the moving mean and variance that inference uses: they have seen one Nth of the data',
  find: ({ module }) => {
    const averages = new Set(module.roles.flatMap((role) => (role.kind === 'update' ? [role.variable] : [])));
    if (averages.size === 0 || module.towers < 2) return undefined;
    return {
      message: `${averages.size} moving average${averages.size === 1 ? ' is' : 's are'} updated by the first of ${module.towers} towers alone`,
      hint: 'give each tower batches of the same mixture, large enough for statistics of their own',
    };
  },
};
