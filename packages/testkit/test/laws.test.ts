import type fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  assertLaws,
  LOCAL_STRATEGIES,
  type StrategyPlan,
  strategyPlans,
  trainingCases,
} from '../src/index.js';

describe('every compilation keeps all laws', () => {
  for (const strategy of LOCAL_STRATEGIES) {
    test(strategy.name, () => {
      assertLaws({ numRuns: 25, seed: 7, cases: casesOf(strategyPlans([strategy])) });
    });
  }
});

function casesOf(strategies: fc.Arbitrary<StrategyPlan>) {
  return trainingCases({ strategies });
}
