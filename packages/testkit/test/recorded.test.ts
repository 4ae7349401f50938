import { resourceName, type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { compileRecorded, readRecordedRuns, variablePlaces, withRuns } from '../src/index.js';

const RUNS = readRecordedRuns(new URL('../data/goldens/training/', import.meta.url));

const norm = (value: TensorValue | Float32Array): number =>
  Math.sqrt(('data' in value ? toNumbers(value) : [...value]).reduce((sum, x) => sum + x * x, 0));

const near = (value: number | undefined, want: number): void => {
  expect(Math.abs((value ?? Number.NaN) - want)).toBeLessThanOrEqual(1e-5 * Math.abs(want) + 1e-9);
};

test('all recorded runs of one process are there', () => {
  expect(RUNS).toHaveLength(17);
});

describe('the oracle and the lowered modules train as the recorded runs do', () => {
  for (const recorded of RUNS) {
    test(recorded.name, () => {
      const { compilation, feeds } = compileRecorded(recorded);
      const run = withRuns(compilation, feeds);
      const oracle = run.oracle();
      const lowered = run.lowered();
      recorded.losses.forEach((loss, k) => {
        near(Number(oracle.steps[k]?.fetches.get('loss')?.data[0]), loss);
        near(Number(lowered.steps[k]?.fetches.get('loss')?.data[0]), loss);
      });
      const last = lowered.steps.at(-1)?.variables;
      const sets = oracle.steps.at(-1)?.sets;
      let compared = 0;
      for (const { variable, shown, name, slot, tower } of variablePlaces(compilation.module)) {
        const want = recorded.finalNorms.get(resourceName(variable));
        if (want === undefined) continue;
        compared += 1;
        const values = sets?.[tower ?? 0]?.get(name)?.[slot];
        near(values === undefined ? undefined : norm(values), want);
        const value = last?.get(shown);
        near(value === undefined ? undefined : norm(value), want);
      }
      expect(compared).toBe(recorded.finalNorms.size);
    });
  }
});
