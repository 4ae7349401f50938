import type { LinkedModule } from '@placewright/ir';
import { engineSuite, readRecordedClusters, readRecordedRuns } from '@placewright/testkit';
import { describe, test } from 'vitest';
import type { ClusterSession, LoadOptions } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { loadReferenceCluster } from '../src/engines/reference/session.js';
import { loadInline, loadInlineCluster } from './inline.js';

const folder = new URL('../../testkit/data/goldens/training/', import.meta.url);
const runs = readRecordedRuns(folder);
const clusters = readRecordedClusters(folder);

/** With nodes of all workers in an order that no cluster would show. */
async function loadShuffled(linked: LinkedModule, options: LoadOptions = {}): Promise<ClusterSession> {
  return loadReferenceCluster(linked, { ...options, schedule: { seed: 7 } });
}

describe('the reference engine', () => {
  const checks = engineSuite<LoadOptions>(referenceEngine.load, {
    opRuns: 2,
    modelRuns: 3,
    loadCluster: loadShuffled,
    recorded: { runs, clusters },
  });
  for (const { name, run } of checks) test(name, run);
});

describe('the embedded engine, beside the interpreter', () => {
  const checks = engineSuite<LoadOptions>(loadInline, {
    opRuns: 5,
    modelRuns: 6,
    target: { collectives: 'nccl' },
    // Sums in float32 drift from recorded ones over the steps.
    loadCluster: loadInlineCluster,
    recorded: { runs, clusters, loadOptions: { accumulate: 'float64' } },
  });
  for (const { name, run } of checks) test(name, run);
});
