import { engineSuite, readRecordedRuns } from '@placewright/testkit';
import { describe, test } from 'vitest';
import type { LoadOptions } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { loadInline } from './inline.js';

const runs = readRecordedRuns(new URL('../../testkit/data/goldens/training/', import.meta.url));

describe('the reference engine', () => {
  const checks = engineSuite<LoadOptions>(referenceEngine.load, {
    opRuns: 2,
    modelRuns: 3,
    recorded: { runs },
  });
  for (const { name, run } of checks) test(name, run);
});

describe('the embedded engine, beside the interpreter', () => {
  const checks = engineSuite<LoadOptions>(loadInline, {
    opRuns: 5,
    modelRuns: 6,
    target: { collectives: 'nccl' },
    // Sums in float32 drift from recorded ones over the steps.
    recorded: { runs, loadOptions: { accumulate: 'float64' } },
  });
  for (const { name, run } of checks) test(name, run);
});
