import { localCluster, type Module, type Node, nodeOf, parseModule, printModule } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { balancerLoads, compile } from '../src/index.js';
import { type Case, small, tasks, upTo } from './fixture.js';
import { type Sized, sized } from './sized.js';

const HOST = '/job:worker/task:0/device:CPU:0';
const gpu = (index: number): string => `/job:worker/task:0/device:GPU:${index}`;
const LARGE = 65_536;

function cached(sizes: readonly number[], spec: Partial<Case> = {}, more: readonly Sized[] = []): Module {
  const variables = [...sizes.map((elements, i) => ({ name: `w${i}`, elements })), ...more];
  const base: Case = { strategy: 'parameter_server', cluster: tasks(2, 1) };
  return upTo('cache-reads', { ...base, ...spec, module: sized(variables) }).after;
}

/** The nodes that keep a variable's value, by the variable's name. */
function kept(module: Module): Map<string | null, Node> {
  const nodes = [...module.graph.nodes.values()].filter(
    ({ op, origin }) => op === 'Identity' && origin.pass === 'cache-reads',
  );
  return new Map(nodes.map((node) => [node.variable, node]));
}

function keptOn(module: Module): Record<string, string> {
  return Object.fromEntries([...kept(module)].map(([name, { device }]) => [name, device]));
}

describe('a caching device', () => {
  it('is the tower with the fewest elements, the first on a tie', () => {
    const module = cached([LARGE, LARGE + 2, LARGE, LARGE]);
    expect(keptOn(module)).toEqual({ w0: gpu(0), w1: gpu(1), w2: gpu(0), w3: gpu(1) });
    const loads = [2 * LARGE, 2 * LARGE + 2];
    expect(balancerLoads(module)['overrideCachingDevice.elements']).toEqual([loads, loads]);
  });

  it('is the host for small variables, which do not count', () => {
    const module = cached([LARGE - 1, LARGE, 0, LARGE]);
    expect(keptOn(module)).toEqual({ w0: HOST, w1: gpu(0), w2: HOST, w3: gpu(1) });
    const none = balancerLoads(cached([1, 0]))['overrideCachingDevice.elements'];
    expect(none).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it('is the host for all with caches=host, which counts the large ones', () => {
    const module = cached([LARGE, 5, LARGE], { options: { localParameterDevice: 'cpu' } });
    expect(new Set(Object.values(keptOn(module)))).toEqual(new Set([HOST]));
    expect(balancerLoads(module)['overrideCachingDevice.elements']).toEqual([[2 * LARGE], [2 * LARGE]]);
  });

  it('is one of the CPUs where those are the towers', () => {
    const module = cached([LARGE, LARGE, 1], { cluster: tasks(1, 1, 2, 'cpu') });
    const cpu = '/job:worker/task:0/device:CPU:';
    expect(keptOn(module)).toEqual({ w0: `${cpu}0`, w1: `${cpu}1`, w2: `${cpu}0` });
  });

  it('is one of the worker that is compiled for', () => {
    const spec = { cluster: tasks(2, 2), task: { job: 'worker', index: 1 } };
    expect(keptOn(cached([LARGE, 1], spec))).toEqual({
      w0: '/job:worker/task:1/device:GPU:0',
      w1: '/job:worker/task:1/device:CPU:0',
    });
  });

  it('counts what is not trained, and nothing outside of the towers', () => {
    const module = cached([], {}, [
      { name: 'seen', elements: LARGE, trainable: false },
      { name: 'other', elements: LARGE, outside: true },
      { name: 'w', elements: LARGE },
    ]);
    expect(keptOn(module)).toEqual({ seen: gpu(0), w: gpu(1) });
  });

  it('is each tower’s own where each has variables of its own', () => {
    const spec = {
      cluster: localCluster({ numGpus: 2 }),
      choices: { variables: 'perTower', home: 'tower' },
    } as const;
    const module = cached([LARGE, LARGE], {
      ...spec,
      choices: { ...spec.choices, reading: 'caching', counters: 'host' },
    });
    expect(balancerLoads(module)['overrideCachingDevice.elements']).toEqual([
      [LARGE, LARGE],
      [LARGE, LARGE],
    ]);
    const nodes = [...module.graph.nodes.values()].filter(({ origin }) => origin.pass === 'cache-reads');
    expect(nodes.filter(({ op }) => op === 'ReadVariableOp').map(({ replica }) => replica)).toEqual([
      0, 0, 1, 1,
    ]);
  });
});

describe('reading through a caching device', () => {
  const lowered = compile(small, { strategy: 'parameter_server', cluster: tasks(2, 1, 3) }).module;

  it('reads each variable once a step, for all towers', () => {
    const reads = [...lowered.graph.nodes.values()].filter(
      ({ op, phase }) => op === 'ReadVariableOp' && phase !== 'eval',
    );
    expect(reads.map(({ variable }) => variable)).toEqual(['affine0/weights', 'affine0/biases', 'seen']);
    for (const [, node] of kept(lowered)) {
      const users = [...lowered.graph.nodes.values()].filter(({ inputs }) =>
        inputs.some(({ node: id }) => id === node.id),
      );
      expect(users.length).toBeGreaterThan(0);
    }
  });

  it('copies a value once to each tower', () => {
    const value = kept(lowered).get('affine0/weights');
    const copies = [...lowered.graph.nodes.values()].filter(
      ({ op, inputs: [input] }) => op === 'Transfer' && input?.node === value?.id,
    );
    expect(copies.map(({ device }) => device).toSorted()).toEqual([gpu(0), gpu(1), gpu(2)]);
  });

  it('updates the variable, not what is kept of it', () => {
    const update = [...lowered.graph.nodes.values()].find(({ op }) => op === 'AssignSubVariableOp');
    const [seen] = update?.resources ?? [];
    expect(seen === undefined ? '' : lowered.resources.get(seen)?.device).toBe(update?.device);
    expect(update?.device).toContain('/job:ps');
  });

  it('lets what waited for a reading wait for what is kept', () => {
    const module = upTo('cache-reads', { strategy: 'parameter_server', cluster: tasks(2, 1) }, (before) => {
      const nodes = new Map(before.graph.nodes);
      const read = [...nodes.values()].find(({ op, replica }) => op === 'ReadVariableOp' && replica === 0);
      const late = [...nodes.values()].find(({ op, replica }) => op === 'Mean' && replica === 0);
      if (read !== undefined && late !== undefined) nodes.set(late.id, { ...late, controls: [read.id] });
      return { ...before, graph: { nodes } };
    }).after;
    const late = [...module.graph.nodes.values()].find(({ controls }) => controls.length > 0);
    expect(late?.controls.map((id) => nodeOf(module.graph, id).op)).toEqual(['Identity']);
  });

  it('says the same from the text form', () => {
    const { text, constants } = printModule(lowered);
    const again = parseModule(text, { constants });
    expect(balancerLoads(again)).toEqual(balancerLoads(lowered));
    expect(keptOn(again)).toEqual(keptOn(lowered));
  });
});
