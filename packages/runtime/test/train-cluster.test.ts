import { type LinkedModule, PlacewrightError, type TensorValue, tensorOf } from '@placewright/ir';
import { compileRecordedCluster, readRecordedClusters } from '@placewright/testkit';
import { describe, expect, test } from 'vitest';
import type { ClusterSession } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { type ClusterTrainOptions, type ClusterTrainResult, trainCluster } from '../src/train-cluster.js';
import type { Feeds } from '../src/training.js';
import { loadInlineCluster } from './inline.js';
import { clusterOf, PS, type WorkerBuild } from './small-cluster.js';

const scalar = (x: number): TensorValue => tensorOf('float32', [1], [x]);
const batch = (loss: number): Feeds => new Map([['loss', scalar(loss)]]);

/** So many batches, each with the loss that it is to give. */
function* losses(values: Iterable<number>): Generator<Feeds> {
  for (const value of values) yield batch(value);
}

function* counting(): Generator<number> {
  for (let i = 1; ; i++) yield i;
}

/**
 * The loss of a step is what it is fed; each step adds one to a shared count. Synchronous workers wait for each other in
 * each step, the others before the first and after the last.
 */
const counter =
  (synchronous: boolean, more: (b: WorkerBuild) => void = () => {}) =>
  (b: WorkerBuild): void => {
    const count = b.variable('count', 0, PS);
    const own = b.variable('own', 0);
    const loss = b.op('Placeholder', [], { attrs: { dtype: 'float32', shape: [1] } });
    const one = b.op('Const', [], { attrs: { value: scalar(1) }, device: PS });
    const add = b.op('AssignAddVariableOp', [one], { resources: [count], device: PS });
    const keep = b.op('AssignVariableOp', [loss], { resources: [own] });
    b.entry('step', synchronous ? [keep, b.barrier('end', [add])] : [keep, add], { loss }, { loss });
    if (!synchronous) b.entry('barrier', [b.barrier('apart', [])]);
    more(b);
  };

const load = async (linked: LinkedModule): Promise<ClusterSession> =>
  (await referenceEngine.loadCluster?.(linked, { stepTimeoutMs: 2000 })) as ClusterSession;

async function trained(
  body: (b: WorkerBuild) => void,
  options: Omit<ClusterTrainOptions, 'linked'>,
  workers = 2,
): Promise<ClusterTrainResult> {
  const linked = clusterOf(workers, body);
  const cluster = await load(linked);
  try {
    return await trainCluster(cluster, { linked, ...options });
  } finally {
    await cluster.close();
  }
}

const summary = ({ workers }: ClusterTrainResult) =>
  workers.map(({ reports, reason }) => [reports.length, reason]);

describe('the training loop of a cluster', () => {
  test('lets all workers take their steps, and reports each', async () => {
    const seen: [number, number, number][] = [];
    const result = await trained(counter(true), {
      steps: 3,
      feedsOf: (task) => losses([10 * task, 10 * task + 1, 10 * task + 2]),
      onStep: (task, { step, loss }) => seen.push([task, step, loss]),
    });
    expect(summary(result)).toEqual([
      [3, 'done'],
      [3, 'done'],
    ]);
    expect(result.workers.map(({ reports }) => reports.map(({ loss }) => loss))).toEqual([
      [0, 1, 2],
      [10, 11, 12],
    ]);
    expect(seen).toHaveLength(6);
    expect(result.workers[1]?.task).toEqual({ job: 'worker', index: 1 });
    // The norms of what is shared, not of what each has for itself.
    expect(result.workers.map(({ norms }) => [...norms])).toEqual([[['count', 6]], [['count', 6]]]);
    expect(result.workers[0]?.globalStep).toBeNull();
  });

  test('initialises with the chief first, then the others, and copies when all are there', async () => {
    const body = (b: WorkerBuild): void => {
      counter(true)(b);
      const count = b.variable('copied', 0);
      const from = b.variable('shared', 5, PS);
      const read = b.op('ReadVariableOp', [], { resources: [from], device: PS, name: 'from' });
      const copy = b.op('Transfer', [read]);
      b.entry('postInit', [b.barrier('gate', [b.op('AssignVariableOp', [copy], { resources: [count] })])]);
    };
    const linked = clusterOf(3, body);
    const cluster = await load(linked);
    await trainCluster(cluster, { linked, steps: 1, feedsOf: () => losses([1]) });
    for (const task of [0, 1, 2])
      expect((await cluster.session(task).readVariables(['copied'])).get('copied')?.data[0]).toBe(5);
    await cluster.close();
  });

  test('asynchronous workers go at their own pace, and wait before the first step and after the last', async () => {
    const order: number[] = [];
    const result = await trained(
      counter(false),
      { steps: 4, feedsOf: () => losses([1, 2, 3, 4]), onStep: (task) => order.push(task) },
      3,
    );
    expect(summary(result)).toEqual([4, 4, 4].map((count) => [count, 'done']));
    expect(result.workers.map(({ norms }) => norms.get('count'))).toEqual([12, 12, 12]);
  });

  test.each([true, false])(
    'stops when it is told to, after the steps that run (synchronous: %s)',
    async (synchronous) => {
      const controller = new AbortController();
      const result = await trained(counter(synchronous), {
        steps: 1e6,
        feedsOf: () => losses(counting()),
        signal: controller.signal,
        onStep: (task, { step }) => {
          if (task === 1 && step === 5) controller.abort();
        },
      });
      const counts = result.workers.map(({ reports }) => reports.length);
      expect(result.workers.map(({ reason }) => reason)).toEqual(['stopped', 'stopped']);
      if (synchronous) expect(counts[0]).toBe(counts[1]);
      expect(result.workers[0]?.norms.get('count')).toBe((counts[0] ?? 0) + (counts[1] ?? 0));
    },
  );

  test('a loss that is not finite ends it for all', async () => {
    const result = await trained(counter(true), {
      steps: 9,
      feedsOf: (task) => losses(task === 0 ? counting() : [1, 2, Number.NaN, 4, 5, 6, 7, 8, 9]),
    });
    expect(result.workers.map(({ reason }) => reason)).toEqual(['stopped', 'diverged']);
    expect(result.workers[0]?.reports.length).toBe(result.workers[1]?.reports.length);
    expect(result.workers[1]?.reports[2]?.loss).toBeNaN();
  });

  test('ends with its data', async () => {
    const result = await trained(counter(true), { steps: 9, feedsOf: () => losses([1, 2]) });
    expect(summary(result)).toEqual([
      [2, 'data'],
      [2, 'data'],
    ]);
  });

  test.each([true, false])(
    'what one worker fails with is thrown, not that the others wait (synchronous: %s)',
    async (synchronous) => {
      const failing = (b: WorkerBuild): void => {
        if (b.task !== 1) return;
        // The chief would initialise it, if it knew of it.
        const never = b.variable('never', 0, PS);
        b.entry('warmUp', [b.op('ReadVariableOp', [], { resources: [never], name: 'early', device: PS })]);
      };
      const error = await trained(counter(synchronous, failing), {
        steps: 3,
        feedsOf: () => losses([1, 2, 3]),
      }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(PlacewrightError);
      expect(error).toMatchObject({ code: 'PW_VARIABLE_UNINITIALIZED', where: { node: 'worker_1/early' } });
    },
  );

  test('one that fails in a step ends the others too', async () => {
    const error = await trained(counter(true), {
      steps: 5,
      feedsOf: (task) =>
        task === 0 ? losses([1, 2, 3, 4, 5]) : [batch(1), new Map<string, TensorValue>(), batch(3)].values(),
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'PW_FEED_MISSING' });
  });
});

describe('recorded clusters, from their initial values', () => {
  const runs = readRecordedClusters(new URL('../../testkit/data/goldens/training/', import.meta.url));

  test('there are three', () => {
    expect(runs.map(({ name }) => name.replace('seed_', ''))).toEqual([
      'tiny_dist_drep_p2_w1_n2',
      'tiny_dist_drep_p2_w2_n2',
      'tiny_dist_ps_p2_w1_n2',
    ]);
  });

  test.each(runs)('$name', async (recorded) => {
    const { initial, workers } = recorded;
    const { linked, feeds } = compileRecordedCluster({ ...recorded, initial: new Map() });
    const cluster = await loadInlineCluster(linked, { accumulate: 'float64' });
    try {
      const steps = workers[0]?.losses.length ?? 0;
      const feedsOf = (task: number): Iterator<Feeds> => (feeds[task]?.steps ?? []).values();
      const result = await trainCluster(cluster, { linked, steps, feedsOf, initial });
      const near = (have: number | undefined, want: number): boolean =>
        Math.abs((have ?? Number.NaN) - want) <= 1e-5 * Math.abs(want);
      workers.forEach(({ losses: want, finalNorms, globalStep }, i) => {
        const found = result.workers[i];
        expect(found?.globalStep).toBe(globalStep);
        expect(want.every((loss, k) => near(found?.reports[k]?.loss, loss))).toBe(true);
        expect([...finalNorms].every(([name, norm]) => near(found?.norms.get(name), norm))).toBe(true);
      });
    } finally {
      await cluster.close();
    }
  });
});
