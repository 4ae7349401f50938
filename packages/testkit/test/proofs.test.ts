import { type ProgramFeeds, replay } from '@placewright/interp';
import {
  builtinRegistry,
  type Counterexample,
  distributedCluster,
  edit,
  type LinkedModule,
  link,
  type Module,
  type Node,
  nodeName,
  type TensorValue,
  type Violation,
  verify,
  verifyLinked,
} from '@placewright/ir';
import { tiny } from '@placewright/models';
import { type CompileOptions, compile, type PassCall } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { randomFloats, randomInts, randomSource } from '../src/index.js';

const NOTHING: Counterexample = { steps: 0, order: [], next: [] };
const WHY = { reason: 'the test asks for it' };

/** Two rows for every entry that is fed. */
const fed: ProgramFeeds = (_, entry) =>
  entry === 'init' || entry === 'postInit' || entry === 'barrier'
    ? new Map<string, TensorValue>()
    : new Map<string, TensorValue>([
        ['images', randomFloats([2, 12, 12, 3], randomSource(1))],
        ['labels', randomInts('int32', [2], randomSource(2), 10)],
      ]);

type Options = Pick<CompileOptions, 'strategy'> & Partial<CompileOptions>;

const without =
  (name: string) =>
  (calls: readonly PassCall[]): PassCall[] =>
    calls.filter(({ pass }) => pass.name !== name);

const local = (options: Options): Module => compile(tiny(), { numGpus: 2, ...options }).module;

function clustered(workers: number, options: Options): LinkedModule {
  const hosts = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}:1`);
  const cluster = distributedCluster({
    psHosts: hosts('p', 2),
    workerHosts: hosts('w', workers),
    numGpus: 1,
  });
  return link(
    Array.from({ length: workers }, (_, index) => {
      return compile(tiny(), { ...options, cluster, task: { job: 'worker', index } }).module;
    }),
  );
}

function find(module: Module, what: (node: Node) => boolean): Node {
  const node = [...module.graph.nodes.values()].find(what);
  if (node === undefined) throw new Error('the test finds no such node');
  return node;
}

/** The module with the control edges that a hint names. */
function mended(module: Module, { hint }: Violation): Module {
  const edges = [...hint.matchAll(/the control edge \^%(n\d+) to "([^"]+)"/g)];
  expect(edges).not.toEqual([]);
  return edit(module, builtinRegistry, 'mend', (editor) => {
    for (const [, from, name] of edges) {
      const to = find(module, (node) => nodeName(node) === name);
      editor.addControl(to.id, from as `n${number}`, { reason: 'the hint says so' });
    }
  }).module;
}

/** Follows hint after hint, and gives how many there were. */
function followed(linked: LinkedModule, invariant: string): { linked: LinkedModule; hints: number } {
  let { module } = linked;
  for (let hints = 0; ; hints++) {
    const at = { module, tasks: linked.tasks };
    const [first] = verifyLinked(at, builtinRegistry, { only: [invariant] });
    if (first === undefined) return { linked: at, hints };
    module = mended(module, first);
  }
}

describe("the original's race, which no gate keeps apart", () => {
  const races = (module: Module): Violation[] => verify(module, builtinRegistry, { only: ['no-race'] });

  /**
   * Reads as those of the original's reference variables are: what a node is given is not a copy, but what the variable
   * holds when the node runs. So each node of the back-propagation reads for itself.
   */
  const aliased = (options: Partial<CompileOptions> = {}): Module => {
    const module = local({ strategy: 'parameter_server', ...options });
    return edit(module, builtinRegistry, 'alias', (editor) => {
      for (const node of [...editor.graph.nodes.values()]) {
        if (node.phase !== 'backward') continue;
        const inputs = node.inputs.map((input) => {
          const read = readBehind(module, input.node);
          if (read === null || node.op === 'Shape') return input;
          const { resources, device } = read;
          const name = `${node.name}/read`;
          const more = { resources, device, replica: node.replica, phase: 'backward' } as const;
          const late = editor.addNode({ op: 'ReadVariableOp', name, ...more }, WHY);
          if (device === node.device) return { node: late, port: 0 };
          const copy = editor.addNode(
            {
              op: 'Transfer',
              name: `${name}/copy`,
              inputs: [{ node: late, port: 0 }],
              replica: node.replica,
              device: node.device,
            },
            WHY,
          );
          return { node: copy, port: 0 };
        });
        editor.updateNode(node.id, { inputs }, WHY);
      }
    }).module;
  };

  /** The read that a tensor is a copy of. */
  function readBehind({ graph }: Module, id: `n${number}`): Node | null {
    const node = graph.nodes.get(id);
    if (node?.op === 'ReadVariableOp') return node;
    return node?.op === 'Transfer' || node?.op === 'Identity'
      ? readBehind({ graph } as Module, node.inputs[0]?.node ?? id)
      : null;
  }

  test('an update that does not wait for what back-propagation is still to read is refused, by names', () => {
    const found = races(aliased());
    expect(found.length).toBeGreaterThan(2);
    for (const { message, hint } of found) {
      expect(message).toMatch(
        /^in step, the read by "tower_\d\/.*\/read" \(%n\d+, ReadVariableOp\) and the write by "update\/v\/.*" \(%n\d+, ResourceApplyGradientDescent\) are not ordered/,
      );
      expect(hint).toMatch(/^add the control edge \^%n\d+ to "update\/v\/.*"/);
    }
  });

  test('the edges that are named mend it', () => {
    const found = races(aliased());
    const { linked, hints } = followed(link([aliased()]), 'no-race');
    expect(hints).toBe(found.length);
    expect(verifyLinked(linked, builtinRegistry, { only: ['no-race', 'no-hang', 'acyclic'] })).toEqual([]);
  });

  test('the interpreter may run the two in either order', () => {
    const module = aliased();
    const { counterexample = NOTHING } = races(module)[0] as Violation;
    const { stuckAt, ready } = replay(link([module]), counterexample, fed);
    expect(stuckAt).toBe(null);
    expect(counterexample.next).toHaveLength(2);
    expect(ready.map(({ node }) => nodeName(node))).toEqual(expect.arrayContaining([...counterexample.next]));
  });

  test('a read that no gradient comes from, as one for the next step, is ordered by `synchronise` alone', () => {
    const options = { strategy: 'parameter_server', stagedVars: true } as const;
    expect(races(local(options))).toEqual([]);
    const [first] = races(local({ ...options, pipeline: without('synchronise') }));
    expect(first?.message).toMatch(
      /^in step, the read by "tower_\d\/.*" .* and the write by "update\/v\/.*" .* are not ordered/,
    );
  });
});

describe("the original's synchronous workers, whose only barrier ends the step", () => {
  const ungated = (workers: number) =>
    clustered(workers, { strategy: 'parameter_server', pipeline: without('gate-updates') });

  test.each([2, 3])('race: a fast one of %i updates what a slow one has to read', (workers) => {
    const linked = ungated(workers);
    const found = verifyLinked(linked, builtinRegistry, { only: ['no-race-across-tasks'] });
    expect(found.length).toBeGreaterThan(0);
    const [first] = found;
    expect(first?.message).toMatch(
      /^the read by "worker_\d\/.*" \(%n\d+, ReadVariableOp\) in the step of worker \d and the update by "worker_\d\/update.* in the step of worker \d are not ordered/,
    );
    expect(first?.hint).toMatch(/^(add the control edge|let all workers come to a barrier after)/);
    const { stuckAt, ready } = replay(linked, first?.counterexample ?? NOTHING, fed);
    expect(stuckAt).toBe(null);
    const names = ready.map(({ node }) => nodeName(node));
    for (const name of first?.counterexample?.next ?? ['']) expect(names).toContain(name);
  });

  test('do not with ours, nor where asynchronous training permits it', () => {
    for (const crossReplicaSync of [true, false])
      expect(
        verifyLinked(clustered(3, { strategy: 'parameter_server', crossReplicaSync }), builtinRegistry, {
          all: true,
        }),
      ).toEqual([]);
  });
});

describe('workers that wait for each other', () => {
  test('hang where one comes to the barriers in another order, as the interpreter does when led there', () => {
    const linked = clustered(2, { strategy: 'distributed_replicated' });
    const swapped = swapBarriers(linked);
    const [first] = verifyLinked(swapped, builtinRegistry, { only: ['no-hang'] });
    expect(first?.message).toMatch(/^nothing can go on: worker 0: .*; worker 1: /);
    const { stuckAt, deadlock } = replay(swapped, first?.counterexample ?? NOTHING, fed);
    expect(stuckAt).toBe(null);
    expect(deadlock).toMatchObject({ code: 'PW_DEADLOCK' });
  });
});

/** Makes the second worker update its first variable only behind the barrier of its second one, and the other way round. */
function swapBarriers({ module, tasks }: LinkedModule): LinkedModule {
  const result = edit(module, builtinRegistry, 'swap', (editor) => {
    const gates = [0, 1].map((i) =>
      find(module, ({ name }) => name === `worker_0/barrier/replicate_variable_${i}`),
    );
    const others = [0, 1].map((i) =>
      find(module, ({ name }) => name === `worker_1/barrier/replicate_variable_${i}`),
    );
    const puts = (gate: Node | undefined): Node[] =>
      (gate?.controls ?? [])
        .flatMap((id) => module.graph.nodes.get(id) ?? [])
        .filter(({ op }) => op === 'QueueEnqueueV2');
    for (const put of puts(gates[1])) if (gates[0] !== undefined) editor.addControl(put.id, gates[0].id, WHY);
    for (const put of puts(others[0]))
      if (others[1] !== undefined) editor.addControl(put.id, others[1].id, WHY);
  });
  return { module: result.module, tasks };
}
