import { PlacewrightError, type TensorValue } from '@placewright/ir';
import { afterEach, describe, expect, test } from 'vitest';
import type { ClusterSession, LoadOptions } from '../src/engine.js';
import { embeddedEngine } from '../src/engines/embedded/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { chromeTrace, summarizeTrace } from '../src/trace.js';
import { floats } from './build.js';
import { loadInlineCluster } from './inline.js';
import { clusterOf, PS, type WorkerBuild } from './small-cluster.js';

// The suite of engines has what holds of clusters on any engine; here is what depends on time, and what is the runtime's own.

const open: ClusterSession[] = [];
afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

const LOADS = {
  reference: async (linked: Parameters<typeof loadInlineCluster>[0], options: LoadOptions) =>
    (await referenceEngine.loadCluster?.(linked, options)) as ClusterSession,
  embedded: loadInlineCluster,
};

async function load(
  engine: keyof typeof LOADS,
  workers: number,
  body: (build: WorkerBuild) => void,
  options: LoadOptions = {},
): Promise<ClusterSession> {
  const cluster = await LOADS[engine](clusterOf(workers, body), options);
  open.push(cluster);
  return cluster;
}

async function errorOf(promise: Promise<unknown>): Promise<PlacewrightError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof PlacewrightError) return error;
  throw error ?? new Error('nothing was thrown');
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** `barrier` waits for all; `step` waits at another barrier; `eval` does something without waiting. */
function waiting(b: WorkerBuild): void {
  const count = b.variable('count', 0, PS);
  const one = b.op('Const', [], { attrs: { value: floats(1) }, device: PS });
  const add = b.op('AssignAddVariableOp', [one], { resources: [count], device: PS });
  b.entry('barrier', [b.barrier('start', [])]);
  b.entry('step', [b.barrier('end', [add])]);
  b.entry('eval', [add]);
}

/** Worker 0 puts what it is fed into a queue, worker 1 takes it out and doubles it. */
function passing(b: WorkerBuild): void {
  const queue = b.queue('values', 4);
  if (b.task === 0) {
    const x = b.op('Placeholder', [], { attrs: { dtype: 'float32', shape: [1] } });
    const there = b.op('Transfer', [x], { device: PS });
    b.entry('step', [b.op('QueueEnqueueV2', [there], { resources: [queue], device: PS })], {}, { x });
    return;
  }
  const got = b.op('Transfer', [b.op('QueueDequeueV2', [], { resources: [queue], device: PS })]);
  b.entry('step', [], { y: b.op('AddV2', [got, got], { name: 'doubled' }) });
}

describe.each(['reference', 'embedded'] as const)('a cluster on the %s engine', (engine) => {
  test('says of a deadlock what each worker waits for', async () => {
    const cluster = await load(engine, 2, waiting);
    await cluster.session(0).run('init');
    const errors = await Promise.all([
      errorOf(cluster.session(0).run('barrier')),
      errorOf(cluster.session(1).run('step')),
    ]);
    for (const { code, message } of errors) {
      expect(code).toBe('PW_DEADLOCK');
      expect(message).toMatch(
        /worker 0 \(barrier\).*: worker_0\/start\/get waits for a value in "start0" \(holds 0/,
      );
      expect(message).toMatch(
        /worker 1 \(step\).*: worker_1\/end\/get waits for a value in "end1" \(holds 0/,
      );
    }
    // What was put stays: the other halves let both go on.
    await Promise.all([cluster.session(1).run('barrier'), cluster.session(0).run('step')]);
  });

  test('a worker that waits too long for another is told which and where, and may go on', async () => {
    const cluster = await load(engine, 3, waiting, { stepTimeoutMs: 700 });
    const early = [0, 2].map((task) => errorOf(cluster.session(task).run('barrier')));
    for (const { code, message } of await Promise.all(early)) {
      expect(code).toBe('PW_STEP_TIMEOUT');
      expect(message).toContain('worker 1 runs nothing');
      expect(message).toContain('"start0"');
      expect(message).toContain('"start2"');
    }
    await cluster.session(0).run('init');
    await cluster.session(1).run('eval');
    expect((await cluster.session(2).readVariables()).get('count')?.data[0]).toBe(1);
  });

  test('a worker that waits while another works is not given up', async () => {
    const cluster = await load(engine, 2, waiting, { stepTimeoutMs: 1000 });
    await cluster.session(0).run('init');
    const early = cluster.session(0).run('barrier');
    for (let k = 0; k < 4; k++) {
      await pause(400);
      await cluster.session(1).run('eval');
    }
    await cluster.session(1).run('barrier');
    await early;
  });

  test('closing ends who waits', async () => {
    const cluster = await load(engine, 2, waiting);
    const waits = errorOf(cluster.session(0).run('barrier'));
    await pause(20);
    await cluster.close();
    await cluster.close();
    expect((await waits).code).toMatch(/PW_SESSION_CLOSED|PW_DEADLOCK/);
    for (const call of [cluster.session(1).run('barrier'), cluster.session(1).readVariables()])
      expect((await errorOf(call)).code).toBe('PW_SESSION_CLOSED');
  });

  test('what is put into a queue from outside wakes who waits for it', async () => {
    const cluster = await load(engine, 2, passing);
    const state = await cluster.session(0).readState();
    const [queue] = state.buffers.keys();
    const waits = cluster.session(1).run('step', new Map(), { fetch: ['doubled:0', 'Transfer'] });
    await pause(20);
    await cluster.session(0).writeState({
      variables: new Map(),
      buffers: new Map([[queue as `r${number}`, [[floats(4)]]]]),
    });
    const got = await waits;
    expect([...got].map(([name, { data }]) => [name, data[0]])).toEqual([
      ['y', 8],
      ['doubled:0', 8],
      ['Transfer:0', 4],
    ]);
    expect((await errorOf(cluster.session(0).run('step', new Map(), { fetch: ['doubled:0'] }))).code).toBe(
      'PW_FETCH_UNKNOWN',
    );
    expect((await errorOf(cluster.session(0).run('barrier'))).code).toBe('PW_ENTRY_UNKNOWN');
    const foreign = { variables: new Map([['r99' as const, floats(1)]]), buffers: new Map() };
    expect((await errorOf(cluster.session(0).writeState(foreign))).code).toBe('PW_STATE_RESOURCE');
  });

  test('states have the ids of the task’s own module', async () => {
    const cluster = await load(engine, 2, (b) => {
      b.variable(`only${b.task}`, b.task, PS);
      b.variable('own', 10 + b.task);
    });
    await cluster.session(0).run('init');
    await cluster.session(1).run('init');
    const states = await Promise.all([0, 1].map((task) => cluster.session(task).readState()));
    const values = states.map(({ variables }) => [...variables].map(([id, { data }]) => [id, data[0]]));
    // Resources and nodes share their numbers: a variable, its initial value, its assignment.
    expect(values).toEqual([
      [
        ['r0', 0],
        ['r3', 10],
      ],
      [['r1', 11]],
    ]);
    expect((await cluster.session(1).readVariables()).has('only0')).toBe(false);
    expect(() => cluster.session(2)).toThrow(/no task number 2/);
  });
});

describe('the embedded engine', () => {
  test('runs updates of several workers on one variable one after the other', async () => {
    const cluster = await load('embedded', 4, waiting);
    await cluster.session(0).run('init');
    const steps = 25;
    await Promise.all(
      [0, 1, 2, 3].map(async (task) => {
        for (let k = 0; k < steps; k++) await cluster.session(task).run('eval');
      }),
    );
    expect((await cluster.session(3).readVariables(['count'])).get('count')?.data[0]).toBe(4 * steps);
  });

  test('traces which task did what', async () => {
    const cluster = await load('embedded', 2, passing, { trace: true });
    const x = new Map<string, TensorValue>([['x', floats(1)]]);
    for (let k = 0; k < 3; k++)
      await Promise.all([cluster.session(0).run('step', x), cluster.session(1).run('step')]);
    const events = cluster.takeTrace();
    expect(cluster.session(0).takeTrace()).toEqual([]);
    expect([...new Set(events.map(({ task }) => task))].sort()).toEqual(['worker 0', 'worker 1']);
    expect([...new Set(events.map(({ run }) => run))].sort()).toEqual([0, 1, 2]);
    expect(summarizeTrace(events).runs).toBe(6);
    expect(chromeTrace(events)).toContain('"task":"worker 1"');
  });

  test('refuses more devices than threads, and runs clusters on threads of their own', async () => {
    const body = (b: WorkerBuild): void =>
      b.entry('step', [], { one: b.op('Const', [], { attrs: { value: floats(1) } }) });
    expect((await errorOf(load('embedded', 80, body))).code).toBe('PW_ENGINE_DEVICES');
    const cluster = (await embeddedEngine.loadCluster?.(clusterOf(2, passing))) as ClusterSession;
    const x = new Map<string, TensorValue>([['x', floats(21)]]);
    const [, got] = await Promise.all([cluster.session(0).run('step', x), cluster.session(1).run('step')]);
    expect(got?.get('y')?.data[0]).toBe(42);
    await cluster.close();
  });
});

test('the reference engine runs any seeded order', async () => {
  for (let seed = 0; seed < 10; seed++) {
    const cluster = await load('reference', 3, waiting, { schedule: { seed } });
    await cluster.session(0).run('init');
    const runs = [0, 1, 2].map(async (task) => {
      await cluster.session(task).run('barrier');
      for (let k = 0; k < 3; k++) await cluster.session(task).run('step');
    });
    await Promise.all(runs);
    expect((await cluster.session(1).readVariables()).get('count')?.data[0]).toBe(9);
  }
});
