import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { FAULTS } from '../src/mutants/faults.js';
import { clear, editText } from '../src/mutants/plant.js';
import { isCaught, runFaults, runUnharmed } from '../src/mutants/run.js';
import { randomSource } from '../src/random.js';

// All of them are for `npm run mutants`; here a sample, which a change of this seed changes.
const SEED = 3;
const SAMPLE = 4;
const OPTIONS = { seed: 1, numRuns: 200, timeLimit: 20_000 };

function sample() {
  const random = randomSource(SEED);
  return FAULTS.map((fault) => ({ fault, key: random() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, SAMPLE)
    .map(({ fault }) => fault);
}

afterAll(clear);

test('there are faults of all kinds, each under a name of its own', () => {
  expect(FAULTS.length).toBeGreaterThanOrEqual(20);
  expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
});

test('a fault whose text is missing, or there twice, is an error', () => {
  const edit = { file: 'x.js', find: 'a', replace: 'b' };
  expect(editText('xay', edit, 'x')).toBe('xby');
  expect(() => editText('xy', edit, 'x')).toThrow(/0 times/);
  expect(() => editText('aa', edit, 'x')).toThrow(/2 times/);
});

test('the text of every fault is there once, in the passes as they are built', () => {
  for (const { name, edits } of FAULTS) {
    for (const edit of edits) {
      const built = new URL(`../../passes/dist/${edit.file}`, import.meta.url);
      expect(() => editText(readFileSync(built, 'utf8'), edit, name)).not.toThrow();
    }
  }
});

test('the laws catch a sample of the planted faults, and nothing where there is none', {
  timeout: 120_000,
}, async () => {
  const child = new URL('../dist/mutants/child.js', import.meta.url);
  expect(existsSync(child), 'run `npm run build` first: faults are planted in what is built').toBe(true);
  const results = await runFaults(sample(), OPTIONS);
  const missed = results.filter(({ report }) => !isCaught(report)).map(({ fault }) => fault.name);
  expect(missed).toEqual([]);
  const unharmed = await runUnharmed({ ...OPTIONS, numRuns: 15 });
  expect(unharmed.ok, unharmed.text).toBe(true);
});
