import { engineSuite } from '@placewright/testkit';
import { describe, test } from 'vitest';
import { loadInline } from './inline.js';

// Sums in float64 leave the one rounding at the end of each op, which is the interpreter's too.
describe('the embedded engine with sums in float64, beside the interpreter', () => {
  for (const { name, run } of engineSuite((module) => loadInline(module, { accumulate: 'float64' }), {
    opRuns: 8,
    modelRuns: 6,
    opTolerance: { relative: 1e-7, absolute: 1e-12 },
    runTolerance: { relative: 2e-7, absolute: 1e-9 },
    target: { collectives: 'nccl' },
  })) {
    test(name, run);
  }
});
