import { builtinOps } from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkGradient,
  hasBackward,
  OP_GENERATORS,
  opCases,
  TESTED_OPS,
  UNTESTED_OPS,
} from '../src/index.js';

test('every op of the registry has cases, or a reason why not', () => {
  expect(Object.keys(OP_GENERATORS).sort()).toEqual(Object.keys(builtinOps).sort());
  for (const reason of UNTESTED_OPS.values()) expect(reason.length).toBeGreaterThan(10);
  expect(UNTESTED_OPS.size).toBeLessThanOrEqual(4);
});

describe('gradients are what differences say', () => {
  for (const op of TESTED_OPS) {
    const cases = opCases(op);
    const [sample] = fc.sample(cases, { numRuns: 1, seed: 3 });
    if (sample === undefined || typeof builtinOps[op].gradient !== 'function') continue;
    test(op, () => {
      let checked = 0;
      const property = fc.property(cases, (plan) => {
        if (hasBackward(plan) && checkGradient(plan)) checked += 1;
      });
      fc.assert(property, { seed: 5, numRuns: op === 'Cast' ? 40 : 15 });
      // Most casts are to integers, and flat.
      expect(checked).toBeGreaterThan(0);
    });
  }
});
