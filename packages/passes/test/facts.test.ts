import { buildModel, defineModel, type Module } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compile, factsOf } from '../src/index.js';
import { small, tasks } from './fixture.js';

const lowered = (options: CompileOptions): Module => compile(small, options).module;
const sgd = { optimizer: { kind: 'sgd', learningRate: 0.1 }, weightDecay: 0.01 } as const;
const clip = (kind: 'value' | 'globalNorm') => ({ ...sgd, clip: { kind, limit: 1 } });

describe('gradients', () => {
  const plain = { strategy: 'replicated', useNccl: false, localParameterDevice: 'cpu', numGpus: 2 } as const;
  const { apply, nodeCounts } = factsOf(lowered({ ...plain, training: { ...sgd, clip: { kind: 'none' } } }));

  it('are told as they were before clipping, whose own sums do not count', () => {
    expect(apply.flat().every(({ gradientOp }) => gradientOp === 'AddN')).toBe(true);
    for (const kind of ['value', 'globalNorm'] as const) {
      const clipped = factsOf(lowered({ ...plain, training: clip(kind) }));
      expect(clipped.apply).toEqual(apply);
      expect(clipped.nodeCounts).toEqual(nodeCounts);
    }
  });

  it('of as many variables as towers are counted by variable, not by norm', () => {
    const variables = apply[0]?.length ?? 0;
    const many = { ...plain, numGpus: variables, training: clip('globalNorm') };
    expect(factsOf(lowered(many)).nodeCounts.AddN).toEqual({ '/device:CPU:0': variables });
  });

  it('that are averaged after an all-reduce have a Mul on each tower', () => {
    const facts = factsOf(lowered({ strategy: 'replicated', reduction: 'mean', numGpus: 2 }));
    expect(facts.nodeCounts.Mul).toEqual(facts.nodeCounts.NcclAllReduce);
    expect(facts.applyDevices).toBe(2);
  });

  it('of one tower are as the gradient function leaves them', () => {
    const facts = factsOf(lowered({ strategy: 'parameter_server', numGpus: 1 }));
    expect(Object.keys(facts.nodeCounts)).toEqual(['ResourceApplyGradientDescent']);
    expect(facts.apply.flat().every(({ gradientDevice }) => gradientDevice === '/device:GPU:0')).toBe(true);
  });
});

describe('queues', () => {
  it('are those that the original has, too', () => {
    const module = lowered({ strategy: 'parameter_server', cluster: tasks(2, 2) });
    const all = [...module.resources.values()].filter(({ kind }) => kind === 'queue');
    const { syncQueues } = factsOf(module);
    expect(all.length).toBe(4);
    expect(syncQueues.map(({ sharedName }) => sharedName)).toEqual([
      'sync_queues_step_end_0',
      'sync_queues_step_end_1',
    ]);
  });
});

describe('readings', () => {
  const twice = defineModel({
    name: 'twice',
    inputs: { x: { dtype: 'float32', shape: [2] } },
    build(b, { x }) {
      const w = b.variable('vocab/w', { shape: [2, 2], initializer: { kind: 'ones' } });
      const once = b.matMul(x, w.value);
      return { loss: b.mean(b.square(b.matMul(once, w.value))) };
    },
  });

  it('of one variable by several ops are one access of each tower', () => {
    const facts = factsOf(
      compile(twice, { strategy: 'parameter_server', stagedVars: true, numGpus: 2 }).module,
    );
    expect(facts.staging.map(({ tower, variable }) => [tower, variable])).toEqual([
      [0, 'v/vocab/w'],
      [1, 'v/vocab/w'],
    ]);
    expect(facts.trainableOnDevice['1']?.read).toEqual([
      { op: 'Unstage', variable: 'v/vocab/w', device: '/device:GPU:1' },
    ]);
  });

  it('through a caching device are where the value is kept; without one, where the variable is', () => {
    const { variables } = factsOf(
      compile(twice, { strategy: 'parameter_server', cluster: tasks(1, 1) }).module,
    );
    const devices = variables.map(({ name, readDevice }) => [name, readDevice]);
    expect(devices).toEqual([
      ['global_step', '/job:ps/task:0/device:CPU:0'],
      ['v/vocab/w', '/job:worker/task:0/device:CPU:0'],
    ]);
  });
});

it('of a module that is not lowered are few', () => {
  expect(factsOf(buildModel(small))).toMatchObject({
    ...{ loads: {}, staging: [], trainableOnDevice: {}, apply: [], applyDevices: 0, postInit: [] },
    ...{ syncQueues: [], nodeCounts: {} },
  });
});
