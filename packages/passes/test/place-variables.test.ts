import { localCluster, type Module, parseModule, printModule } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { balancerLoads } from '../src/index.js';
import { type Case, tasks, upTo } from './fixture.js';
import { homesOf, type Sized, sized } from './sized.js';

const PS = '/job:ps/task:0/device:CPU:0';
const PS1 = '/job:ps/task:1/device:CPU:0';
const HOST = '/job:worker/task:0/device:CPU:0';
const GPU0 = '/job:worker/task:0/device:GPU:0';
const GPU1 = '/job:worker/task:0/device:GPU:1';

function placed(variables: readonly Sized[], spec: Partial<Case> = {}): Module {
  const base: Case = { strategy: 'parameter_server', cluster: tasks(2, 1), ...spec };
  return upTo('place-variables', { ...base, module: sized(variables) }).after;
}

const vectors = (...sizes: readonly number[]): Sized[] =>
  sizes.map((elements, i) => ({ name: `w${i}`, elements }));

describe('home=leastBytes', () => {
  it('puts each variable on the server with the fewest bytes, the first on a tie', () => {
    const module = placed(vectors(10, 3, 3, 4, 1, 1));
    expect(homesOf(module)).toEqual({
      global_step: PS,
      w0: PS,
      w1: PS1,
      w2: PS1,
      w3: PS1,
      // Ten elements each: a tie.
      w4: PS,
      w5: PS1,
    });
    expect(balancerLoads(module)).toEqual({ 'greedyLoadBalancing.bytes': [44, 44] });
  });

  it('counts what is not trained, and nothing outside of the towers', () => {
    const variables: Sized[] = [
      { name: 'step_of_eval', elements: 1000, outside: true },
      { name: 'a', elements: 8, trainable: false },
      { name: 'b', elements: 2 },
      { name: 'c', elements: 2 },
    ];
    const module = placed(variables);
    expect(homesOf(module)).toEqual({ global_step: PS, step_of_eval: PS1, a: PS, b: PS1, c: PS1 });
    expect(balancerLoads(module)).toEqual({ 'greedyLoadBalancing.bytes': [32, 16] });
  });

  it('leaves the next at the same place after a variable of size 0', () => {
    const module = placed(vectors(0, 0, 4));
    expect(homesOf(module)).toMatchObject({ w0: PS, w1: PS, w2: PS });
    expect(balancerLoads(placed(vectors(0)))).toEqual({ 'greedyLoadBalancing.bytes': [0, 0] });
  });

  it.each([1, 2, 9])('works with %i servers', (servers) => {
    const module = placed(vectors(1, 1, 1), { cluster: tasks(servers, 2) });
    const used = new Set(Object.values(homesOf(module)));
    expect(used.size).toBe(Math.min(servers, 3));
    expect(balancerLoads(module)['greedyLoadBalancing.bytes']).toHaveLength(servers);
  });

  it.each(['cpu', 'gpu'] as const)(
    'is the same for towers on the %s, whichever worker it is for',
    (device) => {
      const sizes = vectors(5, 4, 3, 2, 1);
      const first = placed(sizes, { cluster: tasks(3, 2, 2, device) });
      const task = { job: 'worker', index: 1 };
      const second = placed(sizes, { cluster: tasks(3, 2, 2, device), task });
      expect(homesOf(second)).toEqual(homesOf(first));
    },
  );

  it('needs parameter servers', () => {
    const choices = { home: 'leastBytes' } as const;
    const local = () => placed(vectors(1), { cluster: localCluster({ numGpus: 2 }), choices });
    expect(local).toThrow(
      expect.objectContaining({ code: 'PW_CLUSTER_NO_PS', where: { pass: 'place-variables' } }),
    );
  });
});

describe('counters=parameterServers', () => {
  it('takes the servers in turn, whatever the sizes', () => {
    const outside = (name: string, elements: number): Sized => ({ name, elements, outside: true });
    const module = placed([outside('x', 9), outside('y', 1), ...vectors(1), outside('z', 1)]);
    expect(homesOf(module)).toMatchObject({ global_step: PS, x: PS1, y: PS, z: PS1 });
  });

  it('gives a cluster of one server all of them', () => {
    const module = placed([{ name: 'x', elements: 1, outside: true }], { cluster: tasks(1, 1) });
    expect(homesOf(module)).toEqual({ global_step: PS, x: PS });
  });
});

describe('a variable with a device of its own', () => {
  const wishing = (device: string, spec: Partial<Case> = {}): Module =>
    placed([{ name: 'a', elements: 6, device }, ...vectors(2, 2)], spec);

  it('keeps a server, and counts where it would have gone', () => {
    const module = wishing('/job:ps/task:1');
    expect(homesOf(module)).toMatchObject({ a: PS1, w0: PS1, w1: PS1 });
    expect(balancerLoads(module)).toEqual({ 'greedyLoadBalancing.bytes': [24, 16] });
    const about = module.decisions.filter(({ chosen, rule }) => chosen === PS1 && rule.includes('came with'));
    expect(about).toHaveLength(1);
  });

  it('has missing parts filled in by the balancer', () => {
    expect(homesOf(wishing('/device:CPU:0'))).toMatchObject({ a: PS, w0: PS1 });
    expect(homesOf(wishing('/job:ps'))).toMatchObject({ a: PS, w0: PS1 });
  });

  it('is not the balancer’s on a worker', () => {
    const module = wishing('/job:worker/task:0/device:GPU:1');
    expect(homesOf(module)).toMatchObject({ a: GPU1, w0: PS, w1: PS1 });
    expect(homesOf(wishing('/job:worker'))).toMatchObject({ a: GPU0, w0: PS });
    expect(homesOf(wishing('/job:worker/device:CPU:0'))).toMatchObject({ a: HOST, w0: PS });
    expect(balancerLoads(module)).toEqual({ 'greedyLoadBalancing.bytes': [8, 8] });
  });

  it('takes no turn on a worker, and one on a server', () => {
    const outside = (device: string): Module =>
      placed([
        { name: 'x', elements: 1, outside: true, device },
        { name: 'y', elements: 1, outside: true },
      ]);
    expect(homesOf(outside('/job:worker'))).toMatchObject({ x: HOST, y: PS1 });
    expect(homesOf(outside('/job:ps/task:0'))).toMatchObject({ x: PS, y: PS });
  });

  it('does not count for least elements', () => {
    const local = { cluster: localCluster({ numGpus: 2 }) };
    const module = wishing('/device:GPU:0', local);
    expect(homesOf(module)).toMatchObject({ a: '/device:GPU:0', w0: '/device:GPU:0', w1: '/device:GPU:1' });
    expect(homesOf(wishing('/device:GPU:*', local)).a).toBe('/device:GPU:0');
    expect(homesOf(wishing('/device:CPU:0', local)).a).toBe('/device:CPU:0');
  });

  it('is filled in by its own task where another would have had other devices', () => {
    const module = wishing('/job:ps/task:1', { choices: { home: 'tower', variables: 'perTower' } });
    expect(homesOf(module).a).toBe(PS1);
  });

  it('must exist there', () => {
    expect(() => wishing('/device:GPU:0')).toThrow(
      expect.objectContaining({
        code: 'PW_VARIABLE_DEVICE',
        message: expect.stringContaining('/job:ps/task:0/device:GPU:0'),
      }),
    );
  });
});

describe('balancerLoads', () => {
  const local = (variables: readonly Sized[]): Module =>
    placed(variables, { cluster: localCluster({ numGpus: 2 }) });

  it('gives the later towers’ setters zeros', () => {
    expect(balancerLoads(local(vectors(5, 3, 3)))).toEqual({
      'paramServerDeviceSetter[0].elements': [5, 6],
      'paramServerDeviceSetter[1].elements': [0, 0],
    });
  });

  it('counts each tower’s own variables for itself', () => {
    const spec = { cluster: localCluster({ numGpus: 2 }), choices: { variables: 'perTower' } } as const;
    expect(balancerLoads(placed(vectors(5, 3), spec))).toEqual({
      'paramServerDeviceSetter[0].elements': [5, 3],
      'paramServerDeviceSetter[1].elements': [5, 3],
    });
  });

  it('is there where nothing was counted, and not where nobody was asked', () => {
    const kept = local([{ name: 'a', elements: 4, device: '/device:CPU:0' }]);
    expect(balancerLoads(kept)).toEqual({
      'paramServerDeviceSetter[0].elements': [0, 0],
      'paramServerDeviceSetter[1].elements': [0, 0],
    });
    expect(balancerLoads(upTo('place-variables', { strategy: 'replicated' }).after)).toEqual({});
    expect(balancerLoads(sized(vectors(1)))).toEqual({});
  });

  it('is the same for a module read from its text', () => {
    for (const module of [placed(vectors(7, 2, 2)), local(vectors(7, 2, 2))]) {
      const { text, constants } = printModule(module);
      expect(balancerLoads(parseModule(text, { constants }))).toEqual(balancerLoads(module));
    }
  });
});
