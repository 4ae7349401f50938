import {
  buildModel,
  builtinRegistry,
  defineModel,
  link,
  localCluster,
  type ModelDef,
  type Module,
  type OptimizerSpec,
  resourceName,
  type VariableResource,
  verifyLinked,
} from '@placewright/ir';
import { type Feeds, runLowered } from '@placewright/testkit';
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compile, factsOf } from '../src/index.js';
import { tasks } from './fixture.js';
import { type Sized, sized, variablesOf } from './sized.js';

// What the original does at its edges with variables: each test by the sentence that says so.

const OPTIMIZERS: readonly OptimizerSpec[] = [
  { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
  { kind: 'rmsprop', learningRate: 0.1, decay: 0.9, momentum: 0.9, epsilon: 1 },
];
const SLOTS = { sgd: [], momentum: ['Momentum'], rmsprop: ['RMSProp', 'RMSProp_1'] } as const;
const SGD: OptimizerSpec = { kind: 'sgd', learningRate: 0.1 };

/** Each strategy, with what it is compiled for. */
const STRATEGIES = {
  independent: { strategy: 'independent', numGpus: 2 },
  'by elements': { strategy: 'parameter_server', numGpus: 2 },
  'on the host': { strategy: 'parameter_server', numGpus: 2, localParameterDevice: 'cpu' },
  staged: { strategy: 'parameter_server', numGpus: 2, stagedVars: true },
  replicated: { strategy: 'replicated', numGpus: 2 },
  'by bytes': { strategy: 'parameter_server', cluster: tasks(2, 2) },
  'by bytes, staged': { strategy: 'parameter_server', cluster: tasks(2, 2), stagedVars: true },
  distributed_replicated: { strategy: 'distributed_replicated', cluster: tasks(2, 2) },
} as const satisfies Record<string, CompileOptions>;
const EACH = Object.entries<CompileOptions>(STRATEGIES);

const MIXED: readonly Sized[] = [
  { name: 'large', elements: 70_000 },
  { name: 'mean', elements: 5, trainable: false },
  { name: 'small', elements: 3 },
  { name: 'other', elements: 2, outside: true },
];

function lowered(options: CompileOptions, variables = MIXED, optimizer = SGD): Module {
  const source = sized(variables);
  const training = { optimizer, weightDecay: 0, clip: { kind: 'none' } } as const;
  return compile({ ...source, training }, options).module;
}

const byName = (module: Module): Map<string, VariableResource> =>
  new Map(variablesOf(module).map((variable) => [resourceName(variable), variable]));
const keysOf = (module: Module): string[] => factsOf(module).savable.map(({ key }) => key);

describe.each(EACH)(
  'optimizer slots live with their variable and pass every balancer by: %s',
  (_, options) => {
    it.each(OPTIMIZERS)('$kind', (optimizer) => {
      const plain = lowered(options);
      const module = lowered(options, MIXED, optimizer);
      expect(factsOf(module).loads).toEqual(factsOf(plain).loads);
      const slots = variablesOf(module).filter(({ slotOf }) => slotOf !== null);
      expect(new Set(slots.map(({ name }) => name.replace(/^.*\//, '')))).toEqual(
        new Set(SLOTS[optimizer.kind]),
      );
      for (const { slotOf, device } of slots) {
        const owner = slotOf === null ? undefined : module.resources.get(slotOf);
        expect(device).toBe(owner?.device);
      }
      for (const [name, { device }] of byName(plain)) expect(byName(module).get(name)?.device).toBe(device);
    });
  },
);

it.each(OPTIMIZERS)(
  'the post-init copies of `replicated` copy slots and moving statistics as well: $kind',
  (optimizer) => {
    const { postInit } = factsOf(lowered({ strategy: 'replicated', numGpus: 3 }, MIXED, optimizer));
    const slots = (name: string) => [name, ...SLOTS[optimizer.kind].map((slot) => `${name}/${slot}`)];
    const names = [...slots('large'), 'mean', ...slots('small')];
    const want = [1, 2].flatMap((tower) => names.map((name) => [`v${tower}/${name}`, `v0/${name}`]));
    expect(postInit.map(({ target, source }) => [target, source]).toSorted()).toEqual(want.toSorted());
  },
);

describe('an op that already has a device keeps it', () => {
  const withDevice = (device: string): ModelDef<{ x: { dtype: 'float32'; shape: [4] } }> =>
    defineModel({
      name: 'device',
      inputs: { x: { dtype: 'float32', shape: [4] } },
      build: (b, { x }) => {
        const y = b.matMul(x, b.variable('w', { shape: [4, 2] }).value);
        return {
          loss: b.mean(b.op('Relu', [y], b.training ? { dtype: 'float32', device } : { dtype: 'float32' })),
        };
      },
    });
  const where = (device: string, options: CompileOptions): string[] => {
    const { graph } = compile(withDevice(device), options).module;
    return [...graph.nodes.values()].flatMap((node) =>
      node.op === 'Relu' && node.phase === 'forward' ? [node.device] : [],
    );
  };

  it.each(EACH)('on every tower: %s', (_, options) => {
    const device = `${options.cluster === undefined ? '' : '/job:worker/task:0'}/device:GPU:1`;
    expect(where(device, options)).toEqual([device, device]);
  });

  it.each(EACH)('`replica_device_setter` merges partial names: %s', (_, options) => {
    const task = options.cluster === undefined ? '' : '/job:worker/task:0';
    expect(where('/device:CPU:0', options)).toEqual(Array(2).fill(`${task}/device:CPU:0`));
    expect(where('/device:GPU:*', options)).toEqual([0, 1].map((gpu) => `${task}/device:GPU:${gpu}`));
  });
});

describe('`global_step` goes past both balancers', () => {
  it('to the host locally', () => {
    for (const name of ['by elements', 'replicated', 'independent', 'staged'] as const)
      expect(byName(lowered(STRATEGIES[name])).get('global_step')?.device).toBe('/device:CPU:0');
    const [first] = Object.values(factsOf(lowered(STRATEGIES['by elements'])).loads);
    expect(first).toEqual([70_000, 8]);
  });

  it('to `/job:ps/task:0` in a cluster, through a separate round-robin', () => {
    const module = lowered(STRATEGIES['by bytes']);
    const of = (name: string) => byName(module).get(name)?.device;
    expect([of('global_step'), of('v/large')]).toEqual(Array(2).fill('/job:ps/task:0/device:CPU:0'));
    expect(of('other')).toBe('/job:ps/task:1/device:CPU:0');
    expect(factsOf(module).loads['greedyLoadBalancing.bytes']).toEqual([280_000, 32]);
  });
});

it('with resource variables the original setter would not know `VarHandleOp` and put all variables on tower 0: ours must know it', () => {
  const equal = Array.from({ length: 6 }, (_, i) => ({ name: `w${i}`, elements: 4 }));
  const module = lowered({ strategy: 'parameter_server', numGpus: 3 }, equal);
  const homes = equal.map(({ name }) => byName(module).get(`v/${name}`)?.device);
  expect(homes).toEqual([0, 1, 2, 0, 1, 2].map((gpu) => `/device:GPU:${gpu}`));
});

describe('variables outside the towers’ scopes are saved and not copied after initialisation', () => {
  const NAMES = ['vocab/x', 'v', 'v0x', 'v7/x', 'ps_var/v0/x', 'veto'];

  it.each(EACH)('whatever they are called: %s', (_, options) => {
    const outside = NAMES.map((name) => ({ name, elements: 2, outside: true }));
    const module = lowered(options, [...MIXED, ...outside]);
    const { savable, postInit } = factsOf(module);
    for (const name of NAMES) {
      expect(savable).toContainEqual({ key: name, variable: name });
      expect(postInit.some(({ target, source }) => target === name || source === name)).toBe(false);
    }
  });

  it.each(EACH)(
    'a variable of the towers whose name merely begins with `v`, such as `vocab/x`, is as any other: %s',
    (_, options) => {
      const rename = (name: string) => (module: Module) =>
        JSON.stringify(factsOf(module)).replaceAll('vocab/x', 'name').replaceAll(name, 'name');
      const called = (name: string) => lowered(options, [...MIXED, { name, elements: 4 }]);
      expect(rename('vocab/x')(called('vocab/x'))).toBe(rename('weights')(called('weights')));
    },
  );
});

/** A variable that starts from random numbers, and one that is not trained. */
const random = defineModel({
  name: 'random',
  inputs: { x: { dtype: 'float32', shape: [2] } },
  build(b, { x }) {
    const initializer = { kind: 'truncatedNormal', stddev: 1 } as const;
    const w = b.variable('w', { shape: [2], initializer });
    const seen = b.variable('seen', { shape: [2], initializer, trainable: false });
    if (b.training) b.assignSub(seen, b.mul(seen.value, b.constant(0.5)));
    return { loss: b.mean(b.mul(x, w.value)) };
  },
});

/** What each variable holds when training begins. */
function startOf(options: CompileOptions): (name: string) => number[] {
  const { module } = compile(random, options);
  const batch: Feeds = new Map([['x', { dtype: 'float32', shape: [2, 2], data: new Float32Array(4) }]]);
  const { start } = runLowered(module, { warmUp: batch, eval: batch, steps: [] });
  return (name) => [...((start.get(name)?.data ?? []) as Float32Array)];
}

describe('`independent` saves all towers’ variables and copies nothing after initialisation, so its towers differ', () => {
  it('saves all', () => {
    const towers = [0, 1].flatMap((tower) => ['large', 'mean', 'small'].map((name) => `v${tower}/${name}`));
    expect(keysOf(lowered(STRATEGIES.independent)).toSorted()).toEqual(
      [...towers, 'global_step', 'other'].toSorted(),
    );
  });

  it('copies nothing, and differs', () => {
    const { entries } = lowered(STRATEGIES.independent);
    expect(entries.postInit).toBeUndefined();
    const start = startOf(STRATEGIES.independent);
    expect(start('v0/w')).toHaveLength(2);
    expect(start('v1/w')).not.toEqual(start('v0/w'));
  });

  it('where `replicated` starts equal', () => {
    const start = startOf(STRATEGIES.replicated);
    expect(start('v1/w')).toEqual(start('v0/w'));
    expect(start('v1/seen')).toEqual(start('v0/seen'));
  });
});

describe('`distributed_replicated`', () => {
  const options = { strategy: 'distributed_replicated', cluster: tasks(2, 1) } as const;

  it.each(OPTIMIZERS)(
    'what is saved is keyed by the name without the shadow prefix; optimizer slots and the non-trainable `v0/` variables are in it: $kind',
    (optimizer) => {
      const { savable } = factsOf(lowered(options, MIXED, optimizer));
      const trained = ['large', 'small'].flatMap((name) => [
        `v0/${name}`,
        ...SLOTS[optimizer.kind].map((slot) => `v0/${name}/${slot}`),
      ]);
      const want = [
        ...trained.map((key) => ({ key, variable: `ps_var/${key}` })),
        ...['v0/mean', 'global_step', 'other'].map((key) => ({ key, variable: key })),
      ];
      const byKey = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : 1);
      expect(savable.toSorted(byKey)).toEqual(want.toSorted(byKey));
    },
  );

  it('the local copies are trainable', () => {
    const local = variablesOf(lowered(options)).filter(({ replica }) => replica !== null);
    expect(new Set(local.map(({ collection }) => collection))).toEqual(new Set(['local']));
    const trainable = local.filter((variable) => variable.trainable).map(resourceName);
    expect(trainable).toEqual(['v0/large', 'v0/small', 'v1/large', 'v1/small']);
  });

  it('shadow variables start from the initial value of tower 0’s variable', () => {
    const start = startOf(options);
    // What tower 0 draws, not what a shadow or tower 1 would: as the first tower of independent.
    expect(start('ps_var/v0/w')).toEqual(startOf(STRATEGIES.independent)('v0/w'));
    expect([start('v0/w'), start('v1/w')]).toEqual([start('ps_var/v0/w'), start('ps_var/v0/w')]);
    expect(start('v1/seen')).not.toEqual(start('v0/seen'));
  });
});

describe('a variable that is called like another’s slot', () => {
  const names: readonly Sized[] = [
    { name: 'w', elements: 2 },
    { name: 'w/Momentum', elements: 2, trainable: false },
  ];

  it.each(EACH)(
    'leaves the slot the next free name, the same in every set, and no key twice: %s',
    (_, options) => {
      const module = lowered(options, names, OPTIMIZERS[0]);
      const slots = variablesOf(module).filter(({ slotOf }) => slotOf !== null);
      expect(new Set(slots.map(({ name }) => name))).toEqual(new Set(['w/Momentum_1']));
      const keys = keysOf(module);
      expect(new Set(keys).size).toBe(keys.length);
    },
  );

  it('and so does one outside of the towers that is called like a slot of one tower', () => {
    const outside = { name: 'v1/w/Momentum', elements: 2, outside: true };
    const module = lowered(STRATEGIES.replicated, [{ name: 'w', elements: 2 }, outside], OPTIMIZERS[0]);
    const { postInit } = factsOf(module);
    expect(postInit.map(({ target, source }) => [target, source])).toEqual([
      ['v1/w', 'v0/w'],
      ['v1/w/Momentum_1', 'v0/w/Momentum_1'],
    ]);
  });
});

describe('`collections`', () => {
  it('none given leaves the variable global', () => {
    const model = defineModel({
      name: 'plain',
      inputs: { x: { dtype: 'float32', shape: [] } },
      build: (b, { x }) => ({ loss: b.mul(b.mean(x), b.variable('w', { shape: [] }).value) }),
    });
    const [, w] = variablesOf(buildModel(model));
    expect(w?.collection).toBe('global');
    const { module } = compile(model, { strategy: 'replicated', cluster: localCluster({ numGpus: 2 }) });
    expect(factsOf(module).variables.map(({ collection }) => collection)).toEqual(Array(3).fill('global'));
  });

  it('a local one on a parameter server is shared: the chief alone initialises it', () => {
    const source = sized([{ name: 'w', elements: 4, collection: 'local' }]);
    const modules = [0, 1].map((index) => {
      const task = { job: 'worker', index };
      return compile(source, { strategy: 'parameter_server', cluster: tasks(1, 2), task }).module;
    });
    expect(modules.map(({ entries }) => entries.init?.rounds.flat().length)).toEqual([2, 0]);
    const only = ['no-race-across-tasks'];
    expect(verifyLinked(link(modules), builtinRegistry, { only })).toEqual([]);
  });
});
