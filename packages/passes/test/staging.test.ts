import { entryNodes, type Module, type Node, nodeOf, type StagingAreaResource } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compile } from '../src/index.js';
import { warmUpRounds } from '../src/warm-up.js';
import { small, tasks, upTo } from './fixture.js';

const HOST = '/job:worker/task:0/device:CPU:0';

function staged(options: Partial<CompileOptions>): Module {
  return compile(small, { strategy: 'parameter_server', stagedVars: true, ...options }).module;
}

const local = staged({ numGpus: 2 });
const clustered = staged({ cluster: tasks(2, 1, 2) });

function stages(module: Module, phase: Node['phase']): Node[] {
  return [...module.graph.nodes.values()].filter((node) => node.op === 'Stage' && node.phase === phase);
}

function areaOf(module: Module, node: Node): StagingAreaResource {
  return module.resources.get(node.resources[0] ?? 'r0') as StagingAreaResource;
}

function getOf(module: Module, put: Node): Node | undefined {
  return [...module.graph.nodes.values()].find(
    ({ op, resources: [area] }) => op === 'Unstage' && area === put.resources[0],
  );
}

function source(module: Module, put: Node): Node {
  let node = nodeOf(module.graph, put.inputs[0]?.node ?? 'n0');
  while (node.op === 'Transfer') node = nodeOf(module.graph, node.inputs[0]?.node ?? 'n0');
  return node;
}

describe('staged variables', () => {
  it.each([
    ['of one task', local, ''],
    ['of a cluster', clustered, '/job:worker/task:0'],
  ])('%s are staged by every tower on its own device, all of them', (_, module, task) => {
    const where = stages(module, 'staging').map((put) => [
      put.variable,
      put.device,
      getOf(module, put)?.device,
      areaOf(module, put).device,
    ]);
    const rows = ['affine0/weights', 'affine0/biases', 'seen'].flatMap((variable) =>
      [0, 1].map((tower) => [variable, ...Array(3).fill(`${task}/device:GPU:${tower}`)]),
    );
    expect(where.toSorted()).toEqual(rows.toSorted());
  });

  it('are copied by each tower of one task', () => {
    const copies = stages(local, 'staging').map((put) => source(local, put));
    expect(copies.every(({ op }) => op === 'Identity')).toBe(true);
    expect(new Set(copies.map(({ id }) => id)).size).toBe(6);
    expect(copies.map(({ device }) => device)).toEqual(stages(local, 'staging').map(({ device }) => device));
  });

  it('share one copy on the host of a worker, read once', () => {
    const copies = stages(clustered, 'staging').map((put) => source(clustered, put));
    expect(new Set(copies.map(({ id }) => id)).size).toBe(3);
    expect(new Set(copies.map(({ op, device }) => `${op} ${device}`))).toEqual(new Set([`Identity ${HOST}`]));
    const reads = [...clustered.graph.nodes.values()].filter(
      ({ op, phase }) => op === 'ReadVariableOp' && phase !== 'eval',
    );
    expect(reads.map(({ variable }) => variable)).toEqual(['affine0/weights', 'affine0/biases', 'seen']);
  });

  it('are taken out again where nothing computes with them', () => {
    const running = entryNodes(
      local,
      local.entries.step ?? { name: 'step', feeds: [], fetches: [], rounds: [] },
    );
    for (const put of stages(local, 'staging')) {
      expect(running.has(put.id)).toBe(true);
      expect(running.has(getOf(local, put)?.id ?? 'n0')).toBe(true);
    }
  });

  it('give a second request on the same tower the same Unstage', () => {
    const { after } = upTo(
      'stage-variables',
      { strategy: 'parameter_server', options: { stagedVars: true } },
      (module) => {
        // As another read of the weights by each tower.
        const nodes = new Map(module.graph.nodes);
        let id = module.nextId;
        for (const user of module.graph.nodes.values()) {
          if (user.op !== 'MatMul' || user.replica === null || user.phase !== 'forward') continue;
          const read = nodeOf(module.graph, user.inputs[1]?.node ?? 'n0');
          const again: Node = { ...read, id: `n${id}`, name: `${read.name}/again` };
          nodes.set(again.id, again);
          nodes.set(user.id, {
            ...user,
            inputs: [user.inputs[0] ?? { node: 'n0', port: 0 }, { node: again.id, port: 0 }],
          });
          id += 1;
        }
        return { ...module, graph: { nodes }, nextId: id };
      },
    );
    expect(stages(after, 'staging')).toHaveLength(6);
  });
});

describe('changes of moving averages', () => {
  it.each([
    ['one task', local],
    ['a cluster', clustered],
  ])('have areas on every tower of %s, where the tower takes the variable', (_, module) => {
    const puts = stages(module, 'update');
    expect(puts.map(({ replica }) => replica)).toEqual([0, 1]);
    for (const put of puts) {
      const taken = stages(module, 'staging').find(
        ({ variable, replica }) => variable === 'seen' && replica === put.replica,
      );
      expect(put.device).toBe(taken?.device);
      expect(getOf(module, put)?.device).toBe(taken?.device);
    }
  });

  it('are put and taken on tower 0 alone', () => {
    const { step, warmUp } = local.entries;
    const running = [step, warmUp].map((entry) =>
      entry === undefined ? new Set() : entryNodes(local, entry),
    );
    const [own, other] = stages(local, 'update');
    expect(running.map((nodes) => nodes.has(own?.id))).toEqual([true, true]);
    expect(running.map((nodes) => nodes.has(other?.id))).toEqual([false, false]);
    const update = [...local.graph.nodes.values()].filter(({ op }) => op === 'AssignSubVariableOp');
    expect(update.map((node) => source(local, node).replica)).toEqual([0]);
  });

  it('are staged with the variables, though gradients may not be', () => {
    const { after } = upTo('stage-variables', {
      strategy: 'parameter_server',
      choices: { reading: 'staging', gradients: 'direct' },
    });
    expect(stages(after, 'update')).toHaveLength(2);
  });
});

describe('the warm-up', () => {
  it('fills variables first, then what is computed from them, and variables again', () => {
    const rounds = local.entries.warmUp?.rounds.map((round) =>
      round.map((id) => `${nodeOf(local.graph, id).phase} ${nodeOf(local.graph, id).variable}`),
    );
    const variables = ['affine0/weights', 'affine0/biases', 'seen'].map((name) => `staging ${name}`);
    const trained = variables.slice(0, 2);
    expect(rounds?.[0]?.toSorted()).toEqual([...variables, ...variables].toSorted());
    // Nothing takes the later tower's moving average, so that its area is full already.
    expect(rounds?.[1]?.toSorted()).toEqual(
      [
        ...variables,
        ...trained,
        'update seen',
        ...['weights', 'biases'].flatMap((name) => Array(2).fill(`backward affine0/${name}`)),
      ].toSorted(),
    );
  });

  it('leaves one value in every area that the step uses', () => {
    const levels = new Map<string, number>();
    for (const round of local.entries.warmUp?.rounds ?? []) {
      const nodes = entryNodes(local, { name: 'warmUp', feeds: [], fetches: [], rounds: [round] });
      for (const id of nodes) {
        const { op, resources } = nodeOf(local.graph, id);
        const change = op === 'Stage' ? 1 : op === 'Unstage' ? -1 : 0;
        if (change !== 0) levels.set(resources[0] ?? '', (levels.get(resources[0] ?? '') ?? 0) + change);
      }
    }
    expect(new Set(levels.values())).toEqual(new Set([1]));
  });

  it('is nothing where nothing is staged', () => {
    expect(warmUpRounds({ nodes: new Map() }, [])).toEqual([]);
    expect(staged({ numGpus: 2, stagedVars: false }).entries.warmUp).toBeUndefined();
  });
});

it('what nothing runs but staging areas is removed', () => {
  const other = [...local.graph.nodes.values()].filter(
    ({ op, replica }) => op === 'AssignSubVariableOp' && replica === 1,
  );
  expect(other).toEqual([]);
});
