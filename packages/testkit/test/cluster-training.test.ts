import { createClusterStepper } from '@placewright/interp';
import { buildModel, distributedCluster, type LinkedModule, link, type TensorValue } from '@placewright/ir';
import { tiny } from '@placewright/models';
import { type CompileOptions, compile } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { randomFloats, randomInts, randomSource, runCluster } from '../src/index.js';

const STEPS = 4;
const WORKERS = 2;
const TOWERS = 2;
const ROWS = 2 * TOWERS;
const training = {
  optimizer: { kind: 'sgd', learningRate: 0.1 },
  weightDecay: 0.001,
  clip: { kind: 'none' },
} as const;
const source = buildModel(tiny({ imageSize: 6 }), { training, seed: 3 });

type Options = Pick<CompileOptions, 'strategy'> & Partial<CompileOptions>;

function linked(options: Options): LinkedModule {
  const hosts = (n: number, port: number) => Array.from({ length: n }, (_, i) => `h${i}:${port}`);
  const cluster = distributedCluster({
    psHosts: hosts(2, 1),
    workerHosts: hosts(WORKERS, 2),
    numGpus: TOWERS,
  });
  const tasks = Array.from({ length: WORKERS }, (_, index) => ({ job: 'worker', index }));
  return link(tasks.map((task) => compile(source, { ...options, cluster, task }).module));
}

function batches() {
  const random = randomSource(11);
  const batch = (): Map<string, TensorValue> =>
    new Map<string, TensorValue>([
      ['images', randomFloats([ROWS, 6, 6, 3], random)],
      ['labels', randomInts('int32', [ROWS], random, 10)],
    ]);
  return Array.from({ length: WORKERS }, () => {
    const steps = Array.from({ length: STEPS }, batch);
    return { warmUp: steps[0] ?? new Map(), eval: new Map(), steps };
  });
}

/** Losses of all workers' steps, under one order of what all of them may run. */
function losses(module: LinkedModule, seed: number): number[] {
  const traces = runCluster(module, batches(), { seed });
  return traces.flatMap(({ steps }) => steps.map((fetches) => Number(fetches.get('loss')?.data[0])));
}

/** Losses of the first step, where the second worker runs nothing as long as the first one can go on. */
function firstLosses(module: LinkedModule): number[] {
  const stepper = createClusterStepper(module);
  const finish = (): void => {
    while (!stepper.finished) stepper.fire(0);
  };
  for (const task of module.tasks.keys()) {
    stepper.start(task, 'init');
    finish();
  }
  const runs = batches().map(({ steps }, task) => stepper.start(task, 'step', steps[0]));
  finish();
  return runs.map((run) => {
    const outcome = stepper.outcome(run);
    return outcome.kind === 'done' ? Number(outcome.fetches.get('loss')?.data[0]) : Number.NaN;
  });
}

/** The largest relative difference. */
const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? Number.NaN)) / Math.abs(x)));

describe('several workers, whatever the order of what they run', () => {
  const shared = linked({ strategy: 'parameter_server' });
  const want = losses(shared, 0);

  test('train the same with shared variables, step by step together', () => {
    expect(want).toHaveLength(WORKERS * STEPS);
    expect(new Set(want).size).toBe(want.length);
    for (const seed of [1, 2, 3, 4]) expect(apart(losses(shared, seed), want)).toBeLessThan(1e-5);
  });

  test('train the same with shadows: for sgd both add up the means of all workers', () => {
    for (const localParameterDevice of ['cpu', 'gpu'] as const) {
      const shadowed = linked({ strategy: 'distributed_replicated', localParameterDevice });
      for (const seed of [1, 2]) expect(apart(losses(shadowed, seed), want)).toBeLessThan(1e-5);
    }
  });

  test('train the same with staging, one and two steps behind', () => {
    const staged = linked({ strategy: 'parameter_server', stagedVars: true });
    const behind = losses(staged, 0);
    expect(apart(behind, want)).toBeGreaterThan(1e-3);
    for (const seed of [1, 2, 3]) expect(apart(losses(staged, seed), behind)).toBeLessThan(1e-5);
  });

  test('need the gate: without it, as in the original, a fast worker changes what a slow one has to read', () => {
    const ungated = linked({
      strategy: 'parameter_server',
      pipeline: (calls) => calls.filter(({ pass }) => pass.name !== 'gate-updates'),
    });
    const [fast, slow] = [want[0] ?? 0, want[STEPS] ?? 0];
    expect(apart(firstLosses(shared), [fast, slow])).toBeLessThan(1e-6);
    const [same, changed] = firstLosses(ungated);
    expect(same).toBeCloseTo(fast, 5);
    expect(Math.abs((changed ?? 0) - slow)).toBeGreaterThan(1e-3);
  });

  test('asynchronous ones see one another early or late, and all end', () => {
    const free = linked({ strategy: 'parameter_server', crossReplicaSync: false });
    const found = [1, 2, 3].map((seed) => losses(free, seed));
    for (const each of found) expect(each.every(Number.isFinite)).toBe(true);
    expect(new Set(found.map((each) => each.join())).size).toBeGreaterThan(1);
  });
});
