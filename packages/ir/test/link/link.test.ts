import { describe, expect, it } from 'vitest';
import { localCluster } from '../../src/cluster.js';
import type { GraphEditor } from '../../src/editor.js';
import { PlacewrightError } from '../../src/errors.js';
import {
  type Module,
  nodeName,
  type QueueResource,
  resourceName,
  type VariableResource,
} from '../../src/graph.js';
import { link } from '../../src/link/link.js';
import { builtinRegistry as ops } from '../../src/registry.js';
import { parseModule } from '../../src/text/parse.js';
import { printModule } from '../../src/text/print.js';
import { DEFAULT_TRAINING } from '../../src/training.js';
import { variableNames } from '../../src/variable-names.js';
import { verify } from '../../src/verify/registry.js';
import { addVariable, build, why } from '../support/modules.js';
import { hosts, PS, type WorkerOptions, workerModule } from './workers.js';

const modules = (workers: number, options: WorkerOptions = {}): Module[] =>
  hosts('', workers).map((_, task) => workerModule(task, { workers, ...options }));

function errorOf(body: () => unknown): PlacewrightError {
  try {
    body();
  } catch (error) {
    if (error instanceof PlacewrightError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('link', () => {
  it('makes one of what tasks share, and leaves the rest side by side', () => {
    const { module, tasks } = link(modules(2));
    const names = [...module.resources.values()].map(
      (resource) => `${resourceName(resource)} ${resource.device}`,
    );
    expect(names).toEqual([
      `v/w ${PS}`,
      `v/w/Momentum ${PS}`,
      `queue0:1 ${PS}`,
      `queue1:1 ${PS}`,
      'v0/w /job:worker/task:0/device:GPU:0',
      'v1/w /job:worker/task:0/device:GPU:1',
      'v0/w /job:worker/task:1/device:GPU:0',
      'v1/w /job:worker/task:1/device:GPU:1',
    ]);
    const [shared, slot] = [...module.resources.values()];
    expect(slot).toMatchObject({ slotOf: shared?.id });
    expect([...module.resources.values()].map(({ replica }) => replica).slice(4)).toEqual([0, 1, 2, 3]);
    expect(tasks.map(({ towers }) => towers)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(module).toMatchObject({ towers: 4, task: null });
  });

  it('keeps names unique: towers through the cluster, the rest after the task', () => {
    const { module } = link(modules(2));
    const names = [...module.graph.nodes.values()].map(nodeName);
    expect(new Set(names).size).toBe(names.length);
    for (const name of [
      'worker_0/optimizer/rate',
      'worker_1/optimizer/rate',
      'tower_0/start',
      'tower_3/start',
    ])
      expect(names).toContain(name);
    const members = [...module.graph.nodes.values()].filter(({ op }) => op === 'NcclAllReduce');
    expect(members.map(({ attrs }) => attrs.get('shared_name')?.value)).toEqual([
      'worker_0/all_reduce/w',
      'worker_0/all_reduce/w',
      'worker_1/all_reduce/w',
      'worker_1/all_reduce/w',
    ]);
    const update = [...module.graph.nodes.values()].filter(({ name }) => name.endsWith('/update'));
    expect(update.map(({ colocation, variable }) => [colocation, variable])).toEqual([
      ['worker_0/w', 'w'],
      ['worker_1/w', 'w'],
    ]);
  });

  it('keeps the entries of each task, and joins them round by round', () => {
    const { module, tasks } = link(modules(3));
    expect(module.entries.step?.feeds.map(({ name }) => name)).toEqual([
      'worker_0/x',
      'worker_1/x',
      'worker_2/x',
    ]);
    expect(module.entries.step?.fetches.map(({ name }) => name)).toEqual([
      'worker_0/sum',
      'worker_1/sum',
      'worker_2/sum',
    ]);
    expect(tasks.map(({ entries }) => entries.step?.feeds.map(({ name }) => name))).toEqual([
      ['x'],
      ['x'],
      ['x'],
    ]);
    expect(module.entries.step?.rounds).toEqual([
      tasks.flatMap(({ entries }) => entries.step?.rounds[0] ?? []),
    ]);
  });

  it('lets the last rounds of entries of different lengths come together', () => {
    const [first, second] = modules(2) as [Module, Module];
    const { init, step } = second.entries;
    const rounds = [...(init?.rounds ?? []), ...(step?.rounds ?? [])];
    const longer: Module = {
      ...second,
      entries: { ...second.entries, init: { name: 'init', feeds: [], fetches: [], rounds } },
    };
    const { module, tasks } = link([first, longer]);
    const [a, b] = tasks.map(({ entries }) => entries.init?.rounds ?? []);
    expect(module.entries.init?.rounds).toEqual([b?.[0], [...(a?.[0] ?? []), ...(b?.[1] ?? [])]]);
  });

  it('maps ids, roles and decisions; what all tasks decided of what they share is said once', () => {
    const given = modules(2);
    const { module, tasks } = link(given);
    tasks.forEach(({ nodes, resources }, i) => {
      for (const [id, node] of given[i]?.graph.nodes ?? []) {
        const linked = module.graph.nodes.get(nodes.get(id) ?? 'n0');
        expect(linked).toMatchObject({ op: node.op, device: node.device });
      }
      for (const [id, resource] of given[i]?.resources ?? [])
        expect(module.resources.get(resources.get(id) ?? 'r0')).toMatchObject({
          kind: resource.kind,
          device: resource.device,
        });
    });
    const initialized = module.roles.flatMap((role) => (role.kind === 'initializer' ? [role.replica] : []));
    expect(initialized).toEqual([0, 1, 2, 3]);
    expect(module.decisions.map(({ chosen }) => chosen)).toEqual([
      PS,
      'beside the variable',
      '/job:worker/task:0/device:CPU:0',
      '/job:worker/task:1/device:CPU:0',
    ]);
    for (const { origin } of module.graph.nodes.values())
      for (const id of origin.from) expect(module.graph.nodes.has(id)).toBe(true);
  });

  it('is the same for modules in any order, prints, parses and verifies', () => {
    const given = modules(3);
    const { module } = link(given.toReversed());
    expect(module).toStrictEqual(link(given).module);
    const { text, constants } = printModule(module);
    expect(parseModule(text, { constants, registry: ops })).toStrictEqual(module);
    expect(module.established).toEqual([
      'every-node-placed',
      'colocation',
      'collectives-complete',
      'resource-colocated',
    ]);
    expect(verify(module, ops)).toEqual([]);
  });

  it('takes the one module of a local cluster, which stays as it is but for ids', () => {
    const local: Module = {
      ...build((editor) => editor.addNode({ op: 'NoOp', name: 'a' }, why)),
      cluster: localCluster({ numGpus: 1 }),
      task: { job: '', index: 0 },
      established: ['no-race'],
    };
    const { module } = link([local]);
    expect([...module.graph.nodes.values()].map(nodeName)).toEqual(['a']);
    expect(module).toMatchObject({ task: local.task, established: ['no-race'] });
  });

  it('is quick and without recursion', () => {
    const long = (editor: GraphEditor): void => {
      let last = editor.addNode({ op: 'NoOp', name: 'chain' }, why);
      for (let i = 0; i < 20_000; i++)
        last = editor.addNode({ op: 'NoOp', name: `chain${i}`, controls: [last] }, why);
    };
    expect(link(modules(2, { more: long })).module.graph.nodes.size).toBeGreaterThan(40_000);
  });
});

describe('names of variables', () => {
  it('are the shown ones, with the task where several have one', () => {
    expect([...variableNames(link(modules(2)).module).keys()]).toEqual([
      'v/w',
      'v/w/Momentum',
      'worker_0/v0/w',
      'worker_1/v0/w',
      'worker_0/v1/w',
      'worker_1/v1/w',
    ]);
    expect([...variableNames(workerModule(0)).keys()]).toEqual(['v/w', 'v/w/Momentum', 'v0/w', 'v1/w']);
  });
});

it('variables are told apart whatever their names are', () => {
  const hostile = (editor: GraphEditor): void => {
    addVariable(editor, 'worker_0/v0/w', { device: PS });
    addVariable(editor, '__proto__', { device: PS });
  };
  const { module } = link(modules(2, { more: hostile }));
  const names = variableNames(module);
  expect([...names.keys()]).toContain('worker_0/v0/w_1');
  expect(resourceName(names.get('worker_0/v0/w') as VariableResource)).toBe('worker_0/v0/w');
  expect(names.get('worker_0/v0/w_1')?.device).toBe('/job:worker/task:0/device:GPU:0');
  expect(names.size).toBe([...module.resources.values()].filter(({ kind }) => kind === 'variable').length);
});

describe('link refuses', () => {
  const [first, second] = modules(2) as [Module, Module];
  const differing = (more: (editor: GraphEditor) => void): Module[] => [first, workerModule(1, { more })];
  const cases: [string, string, Module[], RegExp][] = [
    ['PW_LINK_MISSING', 'no modules', [], /no modules/],
    ['PW_LINK_MISSING', 'a missing worker', [first], /worker 1 of 2/],
    ['PW_LINK_TWICE', 'a worker twice', [first, first, second], /worker 0/],
    ['PW_LINK_CLUSTER', 'a module without a cluster', [first, { ...second, cluster: null }], /no cluster/],
    [
      'PW_LINK_CLUSTER',
      'different clusters',
      [first, workerModule(1, { numGpus: 1 })],
      /worker 0 and worker 1/,
    ],
    [
      'PW_LINK_TASK',
      'a module for no worker',
      [first, { ...second, task: { job: 'ps', index: 0 } }],
      /job:ps/,
    ],
    ['PW_LINK_TASK', 'a module for no task', [first, { ...second, task: null }], /no task/],
    [
      'PW_LINK_TRAINING',
      'different training',
      [first, { ...second, training: DEFAULT_TRAINING }],
      /worker 0 and worker 1/,
    ],
    ['PW_LINK_TOWERS', 'different numbers of towers', [first, { ...second, towers: 1 }], /2 and 1/],
    [
      'PW_LINK_RESOURCE',
      'a shared variable of two shapes',
      differing((editor) =>
        editor.updateResource<VariableResource>(idOf(editor, 'v/w'), { shape: [3] }, why),
      ),
      /"v\/w".*worker 0.*float32\[2\].*worker 1.*float32\[3\]/,
    ],
    [
      'PW_LINK_RESOURCE',
      'a shared slot of two variables',
      differing((editor) => {
        const other = addVariable(editor, 'other', { device: PS });
        editor.updateResource<VariableResource>(idOf(editor, 'v/w/Momentum'), { slotOf: other }, why);
      }),
      /a slot of "v\/w".*a slot of "other"/,
    ],
    [
      'PW_LINK_RESOURCE',
      'a shared queue of two capacities',
      differing((editor) =>
        editor.updateResource<QueueResource>(idOf(editor, 'queue0:1'), { capacity: 9 }, why),
      ),
      /room for 2.*room for 9/,
    ],
    [
      'PW_LINK_RESOURCE',
      'two resources of one name in a module',
      differing((editor) => {
        addVariable(editor, 'x', { device: PS });
        addVariable(editor, 'x', { device: PS });
      }),
      /worker 1 has two/,
    ],
  ];

  it.each(cases)('%s: %s', (code, _, given, message) => {
    const error = errorOf(() => link(given));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).not.toBe('');
  });
});

function idOf(editor: GraphEditor, name: string): `r${number}` {
  for (const resource of editor.resources.values()) if (resourceName(resource) === name) return resource.id;
  throw new Error(`no resource ${name}`);
}
