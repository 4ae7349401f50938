import { type LinkedModule, PlacewrightError, type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { type ClusterInterpreter, createClusterInterpreter, type Schedule } from '../src/index.js';
import { linked, PS, type WorkerBuilder } from './cluster-support.js';
import { f32 } from './support.js';

const SCALAR = { dtype: 'float32', shape: [] } as const;

/** Each worker adds what it is fed to a shared sum, waits for all if it is gated, and reads the sum. */
const adding =
  (gated: boolean) =>
  (worker: WorkerBuilder): void => {
    const sum = worker.shared('sum', SCALAR);
    const seen = worker.own('seen', SCALAR);
    const x = { node: worker.node('Placeholder', { attrs: SCALAR }), port: 0 };
    const by = { node: worker.node('Transfer', { name: 'by', inputs: [x], device: PS }), port: 0 };
    const add = worker.node('AssignAddVariableOp', { inputs: [by], resources: [sum], device: PS });
    const wait = gated ? worker.wait('added', [add]) : add;
    const read = worker.node('ReadVariableOp', { resources: [sum], controls: [wait], device: PS });
    const copy = { node: worker.node('Transfer', { inputs: [{ node: read, port: 0 }] }), port: 0 };
    const keep = worker.node('AssignVariableOp', { inputs: [copy], resources: [seen] });
    const end = gated ? [worker.wait('step_end', [read])] : [];
    worker.entry('step', [keep, ...end], { sum: copy }, { x });
    const zero = worker.constant(f32([], [0]), PS);
    const init = worker.node('AssignVariableOp', {
      name: 'zero',
      inputs: [zero],
      resources: [sum],
      device: PS,
    });
    worker.entry('init', [init]);
    worker.entry('barrier', [worker.wait('execution_barrier_', [])]);
  };

const number = (values: ReadonlyMap<string, TensorValue>, name: string): number =>
  toNumbers(values.get(name) as TensorValue)[0] ?? Number.NaN;

async function train(cluster: ClusterInterpreter, task: number, steps: number): Promise<number[]> {
  const sums: number[] = [];
  for (let k = 0; k < steps; k++) {
    const got = await cluster.run(task, 'step', { x: f32([], [10 ** task]) });
    sums.push(number(got, 'sum'));
  }
  return sums;
}

async function trainAll(module: LinkedModule, steps: number, schedule?: Schedule): Promise<number[][]> {
  const cluster = createClusterInterpreter(module, schedule === undefined ? {} : { schedule });
  await cluster.run(0, 'init');
  return Promise.all(module.tasks.map((_, task) => train(cluster, task, steps)));
}

async function errorOf(promise: Promise<unknown>): Promise<PlacewrightError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof PlacewrightError) return error;
  throw error ?? new Error('nothing was thrown');
}

describe('runs of several tasks', () => {
  const seeds = Array.from({ length: 40 }, (_, seed) => seed);

  test('wait for each other behind barriers: every schedule gives all the same', async () => {
    const module = linked(3, adding(true));
    const want = [111, 222, 333, 444];
    for (const seed of seeds) expect(await trainAll(module, 4, { seed })).toEqual([want, want, want]);
    expect(await trainAll(module, 4)).toEqual([want, want, want]);
  });

  test('without barriers go each at its own pace: every update is there once at the end', async () => {
    const module = linked(3, adding(false));
    const seen = new Set<string>();
    for (const seed of seeds) {
      const sums = await trainAll(module, 3, { seed });
      expect(Math.max(...sums.flat())).toBe(333);
      for (const own of sums) expect(own).toEqual(own.toSorted((a, b) => a - b));
      seen.add(JSON.stringify(sums));
    }
    expect(seen.size).toBeGreaterThan(5);
  });

  test('the same seed gives the same run', async () => {
    const module = linked(3, adding(false));
    const twice = [await trainAll(module, 3, { seed: 5 }), await trainAll(module, 3, { seed: 5 })];
    expect(twice[0]).toEqual(twice[1]);
  });

  test('each task reads and sets its own variables by their own names', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(true)));
    await cluster.run(0, 'init');
    const runs = [0, 1].map((task) => cluster.run(task, 'step', { x: f32([], [task + 1]) }));
    await Promise.all(runs);
    cluster.writeVariables(1, { seen: f32([], [7]) });
    expect([...cluster.readVariables(0)].map(([name, value]) => [name, toNumbers(value)[0]])).toEqual([
      ['sum', 3],
      ['seen', 3],
    ]);
    expect([...cluster.readVariables(null)].map(([name, value]) => [name, toNumbers(value)[0]])).toEqual([
      ['sum', 3],
      ['worker_0/seen', 3],
      ['worker_1/seen', 7],
    ]);
    const again = createClusterInterpreter(cluster.linked);
    again.writeState(cluster.readState());
    expect(number(again.readVariables(1), 'seen')).toBe(7);
    expect(() => cluster.readVariables(2)).toThrow(/no task number 2/);
  });

  test('joint entries run all tasks at once', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(true)));
    await cluster.run(null, 'init');
    const got = await cluster.run(null, 'step', { 'worker_0/x': f32([], [1]), 'worker_1/x': f32([], [2]) });
    expect([number(got, 'worker_0/sum'), number(got, 'worker_1/sum')]).toEqual([3, 3]);
  });

  test('runs of one task follow one another', async () => {
    const cluster = createClusterInterpreter(linked(1, adding(false)), { schedule: { seed: 1 } });
    await cluster.run(0, 'init');
    const got = await Promise.all([1, 2, 3].map((x) => cluster.run(0, 'step', { x: f32([], [x]) })));
    expect(got.map((each) => number(each, 'sum'))).toEqual([1, 3, 6]);
  });
});

describe('a run that waits', () => {
  test('goes on when the other task comes', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(true)));
    let done = false;
    const first = cluster.run(0, 'barrier').then(() => {
      done = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(done).toBe(false);
    await cluster.run(1, 'barrier');
    await first;
  });

  test('is a deadlock when all wait for what none will do', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(true)));
    await cluster.run(0, 'init');
    const errors = await Promise.all([
      errorOf(cluster.run(0, 'barrier')),
      errorOf(cluster.run(1, 'step', { x: f32([], [1]) })),
    ]);
    expect(errors.map(({ code }) => code)).toEqual(['PW_DEADLOCK', 'PW_DEADLOCK']);
    expect(errors[0]?.message).toContain('worker 0 (barrier): worker_0/execution_barrier_/get');
    expect(errors[0]?.message).toContain('worker 1 (step): worker_1/added/get');
    // The runs are over, and what they did stays.
    const runs = [0, 1].map((task) => cluster.run(task, 'barrier'));
    await Promise.all(runs);
  });

  test('is stuck when the other task has left', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(true)));
    const waiting = errorOf(cluster.run(0, 'barrier'));
    cluster.leave(1);
    const error = await waiting;
    expect(error.code).toBe('PW_DEADLOCK');
    expect(error.message).toContain('worker 1 will run nothing any more');
  });

  test('is given up after some time, with the barrier and the task that is missing', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(true)), { timeoutMs: 30 });
    const error = await errorOf(cluster.run(1, 'barrier'));
    expect(error.code).toBe('PW_STEP_TIMEOUT');
    expect(error.message).toContain('worker 0 runs nothing');
    expect(error.message).toContain('"execution_barrier_1"');
  });

  test('ends with the cluster', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(true)));
    const closed = new PlacewrightError('PW_SESSION_CLOSED', 'closed');
    const waiting = errorOf(cluster.run(0, 'barrier'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    cluster.close(closed);
    expect((await waiting).code).toBe('PW_SESSION_CLOSED');
    expect((await errorOf(cluster.run(1, 'barrier'))).code).toBe('PW_SESSION_CLOSED');
  });

  test('an error is the failing run’s own', async () => {
    const cluster = createClusterInterpreter(linked(2, adding(false)));
    const failed = errorOf(cluster.run(0, 'step', { x: f32([], [1]) }));
    const [error] = await Promise.all([
      failed,
      cluster.run(1, 'barrier').catch(() => undefined),
      cluster.run(0, 'barrier'),
    ]);
    expect(error.code).toBe('PW_VARIABLE_UNINITIALIZED');
    expect((await errorOf(cluster.run(0, 'step'))).code).toBe('PW_FEED_MISSING');
  });
});
