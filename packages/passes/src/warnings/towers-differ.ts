import type { WarningRule } from './warning.js';

/** Towers that train apart from each other. */
export const towersDiffer: WarningRule = {
  code: 'PW_TOWERS_DIFFER',
  summary: 'several towers train variables of their own and exchange nothing',
  why: 'each tower sees its share of the data and starts from its own random values, so there are N different models, of which inference uses the first',
  find: ({ module, strategy, contract }) => {
    if (contract.replicasStayEqual || module.towers < 2) return undefined;
    return {
      message: `${strategy} trains ${module.towers} different models; evaluation and inference use tower 0's`,
      hint: 'use replicated for one model on all towers; independent measures what exchange costs',
    };
  },
};
