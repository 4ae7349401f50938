import { engineSuite } from '@placewright/testkit';
import { describe, test } from 'vitest';
import { loadInline } from './inline.js';

describe('the embedded engine, beside the interpreter', () => {
  for (const { name, run } of engineSuite((module) => loadInline(module), {
    opRuns: 5,
    modelRuns: 6,
    target: { collectives: 'nccl' },
  })) {
    test(name, run);
  }
});
