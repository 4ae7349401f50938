import {
  buildModel,
  defineModel,
  distributedCluster,
  type LinkedModule,
  link,
  type OptimizerSpec,
  type TensorValue,
  toNumbers,
} from '@placewright/ir';
import { type CompileOptions, compile } from '@placewright/passes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkCluster, type RunFeeds, runCluster, trainingCases } from '../src/index.js';

const WORKERS = 3;
const STEPS = 4;
const RATE = 0.25;

/** A loss that is linear in the weights: their gradient is the mean of the inputs, whatever the weights are. */
const linear = defineModel({
  name: 'linear',
  inputs: { x: { dtype: 'float32', shape: [2] } },
  build: (b, { x }) => {
    const w = b.variable('w', { shape: [2], initializer: { kind: 'ones' } });
    return { loss: b.mean(b.mul(x, w.value), [0, 1]) };
  },
});

/** Each worker is fed inputs of one size in all steps: its number and one, times a power of two. */
const feeds: readonly RunFeeds[] = Array.from({ length: WORKERS }, (_, worker) => {
  const x: TensorValue = {
    dtype: 'float32',
    shape: [2, 2],
    data: new Float32Array(4).fill(8 * (worker + 1)),
  };
  const batch = new Map([['x', x]]);
  return { warmUp: batch, eval: batch, steps: Array.from({ length: STEPS }, () => batch) };
});

function cluster(optimizer: OptimizerSpec, options: Partial<CompileOptions> = {}): LinkedModule {
  const hosts = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}:1`);
  const training = { optimizer, weightDecay: 0, clip: { kind: 'none' } } as const;
  const source = buildModel(linear, { training });
  const built = distributedCluster({ psHosts: hosts('p', 2), workerHosts: hosts('w', WORKERS), numGpus: 2 });
  return link(
    Array.from({ length: WORKERS }, (_, index) => {
      const task = { job: 'worker', index };
      return compile(source, { strategy: 'parameter_server', ...options, cluster: built, task }).module;
    }),
  );
}

describe('updates of workers that do not wait for each other', () => {
  const sgd = cluster({ kind: 'sgd', learningRate: RATE }, { crossReplicaSync: false });

  test.each(Array.from({ length: 25 }, (_, seed) => seed))('are each there once, seed %i', (seed) => {
    const traces = runCluster(sgd, feeds, { seed });
    // All gradients are powers of two times small numbers, so that no order rounds: d(mean of x·w)/dw = x / 2.
    const sum = 4 * (1 + 2 + 3) * STEPS;
    for (const { variables, steps } of traces) {
      expect(steps).toHaveLength(STEPS);
      expect(variables.get('global_step')?.data[0]).toBe(BigInt(WORKERS * STEPS));
      expect(toNumbers(variables.get('v/w') as TensorValue)).toEqual([1 - RATE * sum, 1 - RATE * sum]);
    }
  });

  test('come in different orders, which the losses show', () => {
    const seen = new Set(
      Array.from({ length: 10 }, (_, seed) =>
        runCluster(sgd, feeds, { seed })
          .flatMap(({ steps }) => steps.map((fetches) => fetches.get('loss')?.data[0]))
          .join(),
      ),
    );
    expect(seen.size).toBeGreaterThan(3);
  });

  test('are a step of momentum each, in the order of arrival', () => {
    const momentum = { kind: 'momentum', learningRate: RATE, momentum: 0.5, nesterov: false } as const;
    const module = cluster(momentum, { crossReplicaSync: false });
    for (let seed = 0; seed < 10; seed++) {
      const [trace] = runCluster(module, feeds, { seed });
      const accumulated = toNumbers(trace?.variables.get('v/w/Momentum') as TensorValue)[0] ?? 0;
      // a ← a/2 + g over all twelve gradients: the last one counts whole.
      expect(accumulated).toBeGreaterThanOrEqual(4);
      expect(accumulated).toBeLessThan(2 * 12);
      expect(trace?.variables.get('global_step')?.data[0]).toBe(BigInt(WORKERS * STEPS));
    }
  });
});

test('workers that wait for each other see all updates of the step before, under any schedule', () => {
  for (const strategy of ['parameter_server', 'distributed_replicated'] as const) {
    const module = cluster({ kind: 'sgd', learningRate: RATE }, { strategy });
    for (let seed = 0; seed < 12; seed++) {
      runCluster(module, feeds, { seed }).forEach(({ steps }, worker) => {
        // The loss of worker w is 8·(w+1) times the weight, which falls by η·4·6 in each step.
        const want = Array.from({ length: STEPS }, (_, k) => 8 * (worker + 1) * (1 - RATE * 24 * k));
        expect(steps.map((fetches) => Number(fetches.get('loss')?.data[0]))).toEqual(want);
      });
    }
  }
});

test('the law of clusters notices a missing gate', () => {
  const strategy = fc.constant({
    strategy: 'parameter_server',
    options: { crossReplicaSync: true },
    target: { collectives: 'copies' as const },
  });
  const [plan] = fc
    .sample(trainingCases({ strategies: strategy }), { numRuns: 200, seed: 3 })
    .filter(
      ({ cluster: { servers }, training }) =>
        servers > 0 && training.optimizer.kind === 'sgd' && training.clip.kind === 'none',
    );
  if (plan === undefined) throw new Error('no case has parameter servers');
  checkCluster(plan);
  const pipeline: CompileOptions['pipeline'] = (calls) =>
    calls.filter(({ pass }) => pass.name !== 'gate-updates');
  expect(() => checkCluster(plan, { pipeline })).toThrow(/of worker 1/);
});
