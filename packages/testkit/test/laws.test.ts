import { STRATEGIES } from '@placewright/passes';
import type fc from 'fast-check';
import { describe, test } from 'vitest';
import { assertLaws, type StrategyPlan, strategyPlans, trainingCases } from '../src/index.js';

describe('every compilation keeps all laws', () => {
  for (const strategy of STRATEGIES) {
    test(strategy.name, () => {
      assertLaws({ numRuns: 25, seed: 7, cases: casesOf(strategyPlans([strategy])) });
    });
  }
});

function casesOf(strategies: fc.Arbitrary<StrategyPlan>) {
  return trainingCases({ strategies });
}
