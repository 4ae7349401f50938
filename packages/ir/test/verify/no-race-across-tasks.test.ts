import { describe, expect, it } from 'vitest';
import { edit } from '../../src/editor.js';
import { nodeName } from '../../src/graph.js';
import type { LinkedModule } from '../../src/link.js';
import { builtinRegistry } from '../../src/registry.js';
import type { Violation } from '../../src/verify/invariant.js';
import { type VerifyOptions, verifyLinked } from '../../src/verify/registry.js';
import { cluster, type Worker } from '../support/cluster.js';
import { why } from '../support/modules.js';

function races(linked: LinkedModule, options: Partial<VerifyOptions> = {}): Violation[] {
  return verifyLinked(linked, builtinRegistry, { only: ['no-race-across-tasks'], ...options });
}

/** Every worker reads, waits for the others to have read, updates, and waits at the end of the step. */
function gated(worker: Worker, edge: 'all' | 'no gate' | 'no end' = 'all'): void {
  const w = worker.shared('w');
  const read = worker.read(w);
  const gate = worker.wait('gate', [read]);
  const update = worker.write(w, edge === 'no gate' ? [read] : [read, gate]);
  worker.runs('step', [worker.wait('end', edge === 'no end' ? [gate] : [update, gate]), update]);
}

/** The linked module with the control edges that a hint names. */
function mended({ module, tasks }: LinkedModule, hint: string): LinkedModule {
  const edges = [...hint.matchAll(/the control edge \^%(n\d+) to "([^"]+)"/g)];
  expect(edges).not.toEqual([]);
  const result = edit(module, builtinRegistry, 'mend', (editor) => {
    for (const [, from, name] of edges) {
      const to = [...module.graph.nodes.values()].find((node) => nodeName(node) === name);
      editor.addControl(to?.id ?? 'n0', from as `n${number}`, why);
    }
  });
  return { module: result.module, tasks };
}

/** The races that are left when hint after hint has been followed. */
function followed(linked: LinkedModule): LinkedModule {
  let at = linked;
  for (let turn = 0; turn < 30; turn++) {
    const [first] = races(at);
    if (first === undefined) return at;
    at = mended(at, first.hint);
  }
  return at;
}

describe.each([2, 3, 4])('%i workers', (workers) => {
  it('that read before a gate and update behind it do not race', () => {
    expect(races(cluster(workers, (worker) => gated(worker)))).toEqual([]);
  });

  it('that update before the others have read do', () => {
    const [first, ...more] = races(cluster(workers, (worker) => gated(worker, 'no gate')));
    expect(first).toMatchObject({ invariant: 'no-race-across-tasks', name: 'worker_1/write' });
    expect(first?.message).toMatch(
      /^the read by "worker_0\/read" \(%n\d+, ReadVariableOp\) in the step of worker 0 and the update by "worker_1\/write" \(%n\d+, AssignAddVariableOp\) in the step of worker 1 are not ordered, and both act on "w"$/,
    );
    expect(first?.hint).toMatch(/^add the control edge \^%n\d+ to "worker_1\/write"$/);
    expect(more).toHaveLength(workers * (workers - 1) - 1);
    expect(first?.counterexample?.next).toEqual(['worker_0/read', 'worker_1/write']);
  });

  it('that begin the next step before the others have updated do', () => {
    const [first] = races(cluster(workers, (worker) => gated(worker, 'no end')));
    expect(first?.message).toMatch(/in the step of worker 0/);
    expect(first?.hint).toMatch(/^add the control edge \^%n\d+ to "worker_\d\/end\/put_\d"$/);
  });

  it('do not any more when the edges that are named are added', () => {
    for (const edge of ['no gate', 'no end'] as const) {
      const broken = cluster(workers, (worker) => gated(worker, edge));
      const mended = followed(broken);
      expect(races(mended)).toEqual([]);
      expect(verifyLinked(mended, builtinRegistry, { only: ['no-hang', 'no-race'] })).toEqual([]);
    }
  });
});

describe('shared variables', () => {
  it('may be updated by several workers, each in order of arrival, but not assigned', () => {
    const writes = (kind: '' | 'Add') =>
      cluster(2, (worker) => worker.runs('step', [worker.write(worker.shared('w'), [], kind)]));
    expect(races(writes('Add'))).toEqual([]);
    expect(races(writes('')).map(({ hint }) => hint)).toEqual([
      'let all workers come to a barrier after "worker_0/write" and before "worker_1/write", and to another one at the end of the step',
    ]);
  });

  it('are initialised by the first worker before the others begin', () => {
    const linked = cluster(3, (worker) => {
      const w = worker.shared('w');
      if (worker.task === 0) worker.runs('init', [worker.write(w, [], '')]);
      worker.runs('postInit', [worker.read(w)]);
    });
    expect(races(linked)).toEqual([]);
  });

  it('must not be updated before all have copied what they start from', () => {
    const starting = (gate: boolean) =>
      cluster(2, (worker) => {
        const w = worker.shared('w');
        const copied = worker.read(w);
        worker.runs('postInit', [copied, ...(gate ? [worker.wait('start', [copied])] : [])]);
        worker.runs('step', [worker.write(w)]);
      });
    expect(races(starting(true))).toEqual([]);
    const [first] = races(starting(false));
    expect(first?.message).toMatch(
      /"worker_0\/read" .* in the postInit of worker 0 and the update by "worker_1\/write"/,
    );
  });

  it('may be read early or late where the contract permits it', () => {
    const free = (entry: boolean) =>
      cluster(2, (worker) => {
        const w = worker.shared('w');
        if (entry) worker.runs('barrier', [worker.wait('begin', [])]);
        worker.runs('step', [worker.write(w, [worker.read(w)])]);
      });
    expect(races(free(false))).toHaveLength(2);
    expect(races(free(false), { permittedSkew: 'otherWorkers' })).toEqual([]);
    // Workers that wait in an entry of its own are asynchronous by design.
    expect(races(free(true))).toEqual([]);
    expect(races(free(true), { permittedSkew: 'none' })).toHaveLength(2);
  });
});

describe('what orders tasks', () => {
  it('is a barrier', () => {
    const linked = cluster(3, (worker) => {
      const w = worker.shared('w');
      const met = worker.meet(worker.barrier('gate', 3), [worker.read(w)]);
      worker.runs('step', [worker.meet(worker.barrier('end', 3), [worker.write(w, [met])], 'end')]);
    });
    expect(races(linked)).toEqual([]);
  });

  it('is a queue from put to get, as many steps later as it holds tuples', () => {
    const passed = (early: number, back: boolean) =>
      cluster(2, (worker) => {
        const w = worker.shared('w');
        const [there, here] = [worker.queue('there', 5), worker.queue('here', 5)];
        if (worker.task === 0) {
          worker.runs('init', [worker.write(w, [], '', 'init')]);
          for (let i = 0; i < early; i++) worker.runs('postInit', [worker.put(there, [], `early${i}`)]);
          const wait = back ? [worker.get(here)] : [];
          worker.runs('step', [worker.put(there, [worker.write(w, wait, '')])]);
        } else {
          if (back) worker.runs('init', [worker.put(here, [], 'first')]);
          worker.runs('step', [
            worker.put(here, [worker.read(w, [worker.get(there)])]),
            ...(back ? [] : [worker.get(here, [], 1, 'own')]),
          ]);
        }
      });
    expect(races(passed(0, true))).toEqual([]);
    expect(races(passed(1, true))).toHaveLength(1);
    expect(races(passed(0, false))).toHaveLength(1);
  });

  it('is the room of a queue', () => {
    const passed = (capacity: number) =>
      cluster(2, (worker) => {
        const w = worker.shared('w');
        const queue = worker.queue('queue', capacity);
        if (worker.task === 0) {
          worker.runs('init', [worker.write(w, [], '', 'init')]);
          worker.runs('step', [worker.put(queue, [worker.write(w, [], '')])]);
        } else worker.runs('step', [worker.get(queue, [worker.read(w)])]);
      });
    expect(races(passed(1))).toHaveLength(1);
  });
});
