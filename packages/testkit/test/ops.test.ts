import { type BuiltinOp, builtinOps } from '@placewright/ir';
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
  // Placeholder, Stage, QueueEnqueueV2, AllReduce and Barrier.
  expect(UNTESTED_OPS.size).toBeLessThanOrEqual(5);
});

const RUNS = 15;
/** Ops of which fewer cases than all are checked: others are of integers, or at a kink of the function. */
const FEWER: ReadonlyMap<BuiltinOp, number> = new Map<BuiltinOp, number>([
  ['Cast', 4],
  ['AddV2', 10],
  ['Sub', 10],
  ['Mul', 10],
  ['SquaredDifference', 10],
  ['Maximum', 5],
  ['Minimum', 5],
  ['Abs', 6],
  ['Max', 13],
  ['ClipByValue', 12],
  ['Relu', 6],
  ['ReluGrad', 3],
  ['MaxPool', 7],
]);

const differentiable = TESTED_OPS.filter((op) => typeof builtinOps[op].gradient === 'function');

describe('gradients are what differences say', () => {
  test('of as many ops as have a gradient of their own', () => {
    expect(differentiable).toHaveLength(51);
    for (const op of FEWER.keys()) expect(differentiable).toContain(op);
  });

  for (const op of differentiable) {
    test(op, () => {
      let checked = 0;
      const property = fc.property(opCases(op), (plan) => {
        if (hasBackward(plan) && checkGradient(plan)) checked += 1;
      });
      // Most casts are to integers, and flat.
      fc.assert(property, { seed: 5, numRuns: op === 'Cast' ? 40 : RUNS });
      // The seed makes the number certain: another one says that the cases have changed, or are skipped unseen.
      expect(checked).toBe(FEWER.get(op) ?? RUNS);
    });
  }
});
