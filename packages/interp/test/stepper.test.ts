import { type LinkedModule, nodeName, type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { type ClusterStepper, createClusterStepper } from '../src/index.js';
import { linked, PS, type WorkerBuilder } from './cluster-support.js';
import { errorOf, f32 } from './support.js';

const SCALAR = { dtype: 'float32', shape: [] } as const;

/** Each worker adds its number and one to a shared sum, waits for all, and reads. */
const adding =
  (gated: boolean) =>
  (worker: WorkerBuilder): void => {
    const sum = worker.shared('sum', SCALAR);
    const own = worker.own('seen', SCALAR);
    const by = worker.constant(f32([], [worker.task + 1]), PS);
    const add = worker.node('AssignAddVariableOp', { inputs: [by], resources: [sum], device: PS });
    const wait = gated ? worker.wait('sync', [add]) : add;
    const read = {
      node: worker.node('ReadVariableOp', { resources: [sum], controls: [wait], device: PS }),
      port: 0,
    };
    const copy = { node: worker.node('Transfer', { inputs: [read] }), port: 0 };
    const keep = worker.node('AssignVariableOp', { inputs: [copy], resources: [own] });
    worker.entry('step', [keep], { sum: copy });
    const zero = worker.constant(f32([], [0]), PS);
    worker.entry('init', [
      worker.node('AssignVariableOp', { name: 'zero', inputs: [zero], resources: [sum], device: PS }),
    ]);
  };

function started(cluster: LinkedModule): ClusterStepper {
  const stepper = createClusterStepper(cluster);
  stepper.start(0, 'init');
  while (!stepper.finished) stepper.fire(0);
  for (const task of cluster.tasks.keys()) stepper.start(task, 'step');
  return stepper;
}

const sumsOf = (stepper: ClusterStepper, runs: readonly number[]): number[] =>
  runs.map((run) => {
    const outcome = stepper.outcome(run);
    if (outcome.kind !== 'done') throw new Error(outcome.kind);
    return toNumbers(outcome.fetches.get('sum') as TensorValue)[0] ?? Number.NaN;
  });

/** All ends that any order of nodes leads to, each state once. */
function explore(start: ClusterStepper): { ends: ClusterStepper[]; states: number } {
  const seen = new Set([start.key()]);
  const open = [start];
  const ends: ClusterStepper[] = [];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const count = at.ready().length;
    if (count === 0) ends.push(at);
    for (let choice = 0; choice < count; choice++) {
      const next = at.clone();
      next.fire(choice);
      const key = next.key();
      if (seen.has(key)) continue;
      seen.add(key);
      open.push(next);
    }
  }
  return { ends, states: seen.size };
}

describe('the stepper', () => {
  test('shows what may run of all runs, and runs what is chosen', () => {
    const stepper = started(linked(2, adding(true)));
    expect(
      stepper.ready().map(({ run, task, entry, round, node }) => [run, task, entry, round, nodeName(node)]),
    ).toEqual([
      [1, 0, 'step', 0, 'worker_0/Const'],
      [2, 1, 'step', 0, 'worker_1/Const'],
    ]);
    stepper.fire(1);
    stepper.fire(1);
    expect(stepper.ready().map(({ node }) => nodeName(node))).toEqual([
      'worker_0/Const',
      'worker_1/sync/put',
    ]);
    expect(errorOf(() => stepper.fire(2)).code).toBe('PW_SCHEDULE_CHOICE');
    while (!stepper.finished) stepper.fire(stepper.ready().length - 1);
    expect(sumsOf(stepper, [1, 2])).toEqual([3, 3]);
  });

  test('behind a barrier every order gives all workers the same sum', () => {
    const { ends, states } = explore(started(linked(2, adding(true))));
    expect(states).toBeGreaterThan(20);
    expect(ends.map((end) => end.finished && sumsOf(end, [1, 2]))).toEqual([[3, 3]]);
  });

  test('without one it finds every outcome', () => {
    const { ends } = explore(started(linked(2, adding(false))));
    const outcomes = new Set(ends.map((end) => sumsOf(end, [1, 2]).join()));
    expect([...outcomes].sort()).toEqual(['1,3', '3,2', '3,3']);
  });

  test('copies share nothing that changes', () => {
    const stepper = started(linked(2, adding(true)));
    const before = stepper.key();
    const copy = stepper.clone();
    while (!copy.finished) copy.fire(0);
    copy.start(0, 'init');
    expect(stepper.key()).toBe(before);
    expect(stepper.outcome(1)).toEqual({ kind: 'running' });
    while (!stepper.finished) stepper.fire(0);
    expect(sumsOf(stepper, [1, 2])).toEqual([3, 3]);
    expect(errorOf(() => stepper.outcome(3)).code).toBe('PW_SCHEDULE_RUN');
  });

  test('keys do not depend on the order in which runs began, but on all else', () => {
    const cluster = linked(2, adding(true));
    const begun = (tasks: readonly number[]): ClusterStepper => {
      const stepper = createClusterStepper(cluster);
      for (const task of tasks) stepper.start(task, 'step');
      return stepper;
    };
    expect(begun([0, 1]).key()).toBe(begun([1, 0]).key());
    expect(begun([0]).key()).not.toBe(begun([1]).key());
    const other = begun([0, 1]);
    other.writeState({ variables: new Map([['r0', f32([], [7])]]), buffers: new Map() });
    expect(other.key()).not.toBe(begun([0, 1]).key());
    expect(toNumbers(other.readState().variables.get('r0') as TensorValue)).toEqual([7]);
  });

  test('says what each task waits for, where nothing can run', () => {
    const stepper = createClusterStepper(linked(3, adding(true)));
    stepper.start(0, 'init');
    stepper.start(0, 'step');
    stepper.start(2, 'step');
    while (stepper.ready().length > 0) stepper.fire(0);
    expect(stepper.finished).toBe(false);
    const error = stepper.deadlock();
    expect(error.code).toBe('PW_DEADLOCK');
    expect(error.message).toContain(
      'worker 0 (step): worker_0/sync/get waits for 2 values in "sync0" (holds 1',
    );
    expect(error.message).toContain('worker 2 (step): worker_2/sync/get');
    stepper.start(1, 'step');
    while (!stepper.finished) stepper.fire(0);
    expect(sumsOf(stepper, [1, 2, 3])).toEqual([6, 6, 6]);
  });

  test('a kernel that fails ends its own run alone', () => {
    const stepper = createClusterStepper(linked(2, adding(false)));
    stepper.start(0, 'step');
    stepper.start(1, 'init');
    const names = (): string[] => stepper.ready().map(({ node }) => nodeName(node));
    while (stepper.outcome(0).kind === 'running')
      stepper.fire(names().findIndex((name) => name.startsWith('worker_0')));
    expect(stepper.outcome(0)).toMatchObject({
      kind: 'failed',
      error: { code: 'PW_VARIABLE_UNINITIALIZED' },
    });
    while (!stepper.finished) stepper.fire(0);
    expect(stepper.outcome(1).kind).toBe('done');
  });

  test('runs joint entries, with feeds and fetches of each task', () => {
    const stepper = createClusterStepper(
      linked(2, (worker) => {
        const x = { node: worker.node('Placeholder', { attrs: SCALAR }), port: 0 };
        worker.entry('step', [], { y: { node: worker.node('Neg', { inputs: [x] }), port: 0 } }, { x });
      }),
    );
    const run = stepper.start(null, 'step', { 'worker_0/x': f32([], [1]), 'worker_1/x': f32([], [2]) });
    expect(stepper.ready()[0]).toMatchObject({ run, task: null });
    while (!stepper.finished) stepper.fire(0);
    const outcome = stepper.outcome(run);
    const got =
      outcome.kind === 'done' ? [...outcome.fetches].map(([name, { data }]) => [name, data[0]]) : [];
    expect(got).toEqual([
      ['worker_0/y', -1],
      ['worker_1/y', -2],
    ]);
    expect(errorOf(() => stepper.start(2, 'step')).code).toBe('PW_LINK_TASK');
    expect(errorOf(() => stepper.start(0, 'eval')).code).toBe('PW_ENTRY_UNKNOWN');
  });

  test('parties of a barrier come from several runs', () => {
    const cluster = linked(2, (worker) => {
      const resources = [worker.barrier('all', 2)];
      worker.entry('step', [worker.node('Barrier', { resources, device: PS })]);
    });
    const stepper = createClusterStepper(cluster);
    stepper.start(1, 'step');
    expect(stepper.ready()).toEqual([]);
    expect(stepper.deadlock().message).toContain('"all" (1 of 2 are there)');
    stepper.start(0, 'step');
    const copy = stepper.clone();
    for (const each of [stepper, copy]) {
      expect(each.ready().map(({ run }) => run)).toEqual([0]);
      each.fire(0);
      expect(each.finished).toBe(true);
    }
    stepper.start(null, 'step');
    stepper.fire(0);
    expect(stepper.finished).toBe(true);
  });
});
