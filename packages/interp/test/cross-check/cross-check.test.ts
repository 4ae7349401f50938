import { builtinRegistry, printModule, verifyLinked } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { buildCluster } from '../../src/cross-check/build.js';
import { crossCheck, FAULT_KINDS } from '../../src/cross-check/cross-check.js';
import { drawCluster } from '../../src/cross-check/draw.js';
import { explore } from '../../src/cross-check/explore.js';
import { FAULTS } from '../../src/cross-check/faults.js';
import { replay } from '../../src/cross-check/replay.js';
import type { ClusterSpec, Step, WorkerSpec } from '../../src/cross-check/spec.js';

const NOTHING: WorkerSpec = { init: [], postInit: [], barrier: [], step: [], warmUp: [] };

function clusterOf(workers: readonly Partial<WorkerSpec>[], more: Partial<ClusterSpec> = {}) {
  const spec = { servers: 1, buffers: new Map(), barriers: new Map(), faults: [], ...more };
  return buildCluster({ ...spec, workers: workers.map((worker) => ({ ...NOTHING, ...worker })) });
}

const step = (act: Step['act'], ...after: number[]): Step => ({ act, after });
const options = { steps: 2, mostStates: 10_000, skew: 'none', races: true } as const;

describe('the verifier against all schedules', () => {
  const report = crossCheck({ count: 120, seed: 1 });

  test('misses nothing, and reports nothing that is not there', () => {
    expect(report.failures.map(({ seed, missed, false: wrong }) => ({ seed, missed, wrong }))).toEqual([]);
    expect(report.clusters).toBe(120);
  });

  test('looks at faults of every kind, a third of all clusters or more', () => {
    expect(report.faulty).toBeGreaterThan(report.clusters / 3);
    for (const kind of FAULT_KINDS) expect(report.byKind.get(kind)).toBeGreaterThan(0);
    expect(report.byFault.get('')?.drawn).toBeGreaterThan(report.clusters / 5);
    expect(report.replayed).toBeGreaterThan(report.faulty / 2);
  });

  test('notices a checker that sees nothing, and one that sees ghosts', () => {
    const blind = crossCheck({ count: 20, seed: 1, check: () => [] });
    expect(blind.failures.flatMap(({ missed }) => missed)).not.toEqual([]);
    const ghost = { invariant: 'no-hang', message: '', hint: '', subject: null, name: null };
    const afraid = crossCheck({ count: 20, seed: 1, check: () => [ghost] });
    expect(afraid.failures.flatMap(({ false: wrong }) => wrong)).toContain('hang');
    expect(afraid.failures.flatMap(({ unreplayed }) => unreplayed)).toContain(ghost);
  });
});

describe('drawn clusters', () => {
  test('are the same for the same seed', () => {
    const text = (seed: number): string => printModule(buildCluster(drawCluster(seed)).module).text;
    for (const seed of [1, 2, 3]) expect(text(seed)).toBe(text(seed));
    expect(text(1)).not.toBe(text(2));
  });

  test('have one to three workers, with and without parameter servers', () => {
    const drawn = Array.from({ length: 60 }, (_, seed) => drawCluster(seed));
    expect(new Set(drawn.map(({ workers }) => workers.length))).toEqual(new Set([1, 2, 3]));
    expect(new Set(drawn.map(({ servers }) => servers))).toEqual(new Set([0, 1, 2]));
  });
});

test('every fault is put in', () => {
  const drawn = Array.from({ length: 400 }, (_, seed) => drawCluster(seed).faults).flat();
  expect(new Set(drawn)).toEqual(new Set(FAULTS.keys()));
});

describe('all schedules', () => {
  const barriers = new Map([
    ['a', 2],
    ['b', 2],
  ]);
  const meet = (barrier: string, ...after: number[]): Step => step({ kind: 'meet', barrier }, ...after);

  test('find a hang that every schedule ends in', () => {
    const inOrder = clusterOf([{ step: [meet('a'), meet('b', 0)] }, { step: [meet('a'), meet('b', 0)] }], {
      barriers,
    });
    const swapped = clusterOf([{ step: [meet('a'), meet('b', 0)] }, { step: [meet('b'), meet('a', 0)] }], {
      barriers,
    });
    expect(explore(inOrder, options)).toMatchObject({ hangs: false });
    expect(explore(swapped, options)).toMatchObject({ hangs: true });
  });

  test('find a hang that only some end in', () => {
    const put = step({ kind: 'put', buffer: 'q' });
    const buffers = new Map([['q', { kind: 'queue', capacity: 2 } as const]]);
    const linked = clusterOf(
      [{ step: [put] }, { step: [put, step({ kind: 'get', buffer: 'q', count: 2 }, 0)] }],
      { buffers },
    );
    expect(explore(linked, options)).toMatchObject({ hangs: true });
    const [violation] = verifyLinked(linked, builtinRegistry, { only: ['no-hang'] });
    expect(violation?.message).toMatch(/^some schedules hang/);
    const { stuckAt, deadlock } = replay(
      linked,
      violation?.counterexample ?? { steps: 0, order: [], next: [] },
    );
    expect(stuckAt).toBe(null);
    expect(deadlock).toMatchObject({ code: 'PW_DEADLOCK' });
    expect(deadlock?.message).toMatch(/worker_1\/step\/put_q waits for room in "q"/);
  });

  test('find two that may come in either order', () => {
    const init = [step({ kind: 'assign', variable: 'v' })];
    const read = step({ kind: 'read', variable: 'v' });
    const racing = (...after: number[]) =>
      clusterOf([{ init, step: [read, step({ kind: 'add', variable: 'v' }, ...after)] }]);
    expect(explore(racing(), options)).toMatchObject({ races: true, hangs: false });
    expect(explore(racing(0), options)).toMatchObject({ races: false });
    const [violation] = verifyLinked(racing(), builtinRegistry, { only: ['no-race'] });
    const { ready } = replay(racing(), violation?.counterexample ?? { steps: 0, order: [], next: [] });
    expect(ready.map(({ node }) => node.op).sort()).toEqual(['AssignAddVariableOp', 'ReadVariableOp']);
  });

  test('find an area that a get may come to too early', () => {
    const buffers = new Map([['a', { kind: 'area', capacity: 2 } as const]]);
    const staged = [step({ kind: 'put', buffer: 'a' }), step({ kind: 'get', buffer: 'a', count: 1 })];
    expect(explore(clusterOf([{ step: staged, warmUp: [[0]] }], { buffers }), options)).toMatchObject({
      unfilled: false,
    });
    expect(explore(clusterOf([{ step: staged }], { buffers }), options)).toMatchObject({ unfilled: true });
  });

  test('are not all looked at where there are too many', () => {
    expect(explore(buildCluster(drawCluster(1)), { ...options, mostStates: 1 })).toBe(null);
  });
});

describe('a replay', () => {
  test('says where a counterexample cannot be followed', () => {
    const linked = clusterOf([{ step: [step({ kind: 'pass' })] }]);
    expect(replay(linked, { steps: 1, order: ['worker_0/step/get'], next: [] })).toMatchObject({
      stuckAt: 'worker_0/step/get',
      deadlock: null,
    });
  });
});
