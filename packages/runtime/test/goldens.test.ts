import type { TensorValue } from '@placewright/ir';
import { compileRecorded, readRecordedRuns } from '@placewright/testkit';
import { describe, expect, test } from 'vitest';
import { variableNorms } from '../src/evaluate.js';
import { train } from '../src/train-loop.js';
import { loadInline } from './inline.js';

// The suite of engines repeats all recorded runs; here it is the loop, which writes the initial values itself.
const RUNS = readRecordedRuns(new URL('../../testkit/data/goldens/training/', import.meta.url)).filter(
  ({ name }) => /_(momentum_psstaged|sgd_repl|sgd_indep)_n2$/.test(name),
);

const difference = (value: number | undefined, want: number): number =>
  value === want ? 0 : Math.abs((value ?? Number.NaN) - want) / Math.abs(want);

function* forever(batch: ReadonlyMap<string, TensorValue>): Generator<ReadonlyMap<string, TensorValue>> {
  while (true) yield batch;
}

describe('the training loop repeats recorded runs from their initial values', () => {
  test('of three strategies, one model with batch normalisation', () => {
    expect(RUNS.map(({ name }) => name.replace('seed_', ''))).toEqual([
      'tiny_momentum_psstaged_n2',
      'tiny_sgd_indep_n2',
      'tiny_sgd_repl_n2',
      'tinybn_sgd_indep_n2',
      'tinybn_sgd_repl_n2',
    ]);
  });

  test.for(RUNS)('$name', async (recorded) => {
    const { losses, finalNorms, initial } = recorded;
    const { compilation, feeds } = compileRecorded({ ...recorded, initial: new Map() });
    const { module } = compilation;
    const session = await loadInline(module, { accumulate: 'float64' });
    try {
      const batches = forever(feeds.warmUp);
      const { reports } = await train(session, { module, steps: losses.length, feeds: batches, initial });
      expect(reports).toHaveLength(losses.length);
      losses.forEach((loss, i) => {
        expect(difference(reports[i]?.loss, loss), `loss of step ${i + 1}`).toBeLessThan(1e-5);
      });
      const norms = variableNorms(await session.readVariables());
      for (const [name, norm] of finalNorms) {
        expect(difference(norms.get(name), norm), name).toBeLessThan(1e-5);
      }
    } finally {
      await session.close();
    }
  });
});
