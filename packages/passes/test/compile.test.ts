import {
  builtinRegistry,
  defineModel,
  type Invariant,
  localCluster,
  moduleViolation,
  nodeOf,
} from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { callPass, compile, definePass, replicated, type Strategy } from '../src/index.js';
import { small } from './fixture.js';

const inputs = { x: { dtype: 'float32', shape: [4] } } as const;
const code = (value: string) => expect.objectContaining({ code: value, kind: 'user' });

describe('compile', () => {
  it('places every node, and says how it came about', () => {
    const { module, records, contract } = compile(small, {
      strategy: 'replicated',
      cluster: localCluster({ numGpus: 3 }),
    });
    expect([...module.graph.nodes.values()].filter(({ device }) => device === '')).toEqual([]);
    expect(records.map(({ pass }) => pass).slice(0, 2)).toEqual(['autodiff', 'replicate-towers']);
    expect(contract).toMatchObject({ reduction: 'sum', replicasStayEqual: true, saved: 'tower0' });
  });

  it('names a trainable variable that the loss does not depend on', () => {
    const model = defineModel({
      name: 'unused',
      inputs,
      build(b, { x }) {
        b.variable('idle', { shape: [2] });
        return { loss: b.mean(b.matMul(x, b.variable('w', { shape: [4, 2] }).value)) };
      },
    });
    expect(() => compile(model, { strategy: 'independent' })).toThrowError(
      expect.objectContaining({
        code: 'PW_VARIABLE_NO_GRADIENT',
        message: expect.stringContaining('"idle"'),
      }),
    );
  });

  it('blames the model, and no pass, for a device that the cluster lacks', () => {
    const model = defineModel({
      name: 'far',
      inputs,
      build: (b, { x }) => ({
        loss: b.mean(
          b.op('Relu', [b.matMul(x, b.variable('w', { shape: [4, 2] }).value)], {
            dtype: 'float32',
            device: '/device:GPU:7',
          }),
        ),
      }),
    });
    expect(() => compile(model, { strategy: 'independent', numGpus: 2 })).toThrowError(code('PW_INVARIANT'));
  });

  it('refuses a module that is lowered already', () => {
    const { module } = compile(small, { strategy: 'independent' });
    expect(() => compile(module, { strategy: 'independent' })).toThrowError(code('PW_MODEL_LOWERED'));
  });

  it('averages a float64 metric over the towers, and adds up a count', () => {
    const model = defineModel({
      name: 'metrics',
      inputs,
      build(b, { x }) {
        const loss = b.mean(b.matMul(x, b.variable('w', { shape: [4, 2] }).value));
        return { loss, metrics: { wide: b.cast(loss, 'float64'), hitCount: b.cast(loss, 'float64') } };
      },
    });
    const { module } = compile(model, { strategy: 'independent', numGpus: 2 });
    const opOf = (name: string) => {
      const fetch = module.entries.step?.fetches.find((each) => each.name === name);
      return fetch === undefined ? undefined : nodeOf(module.graph, fetch.tensor.node).op;
    };
    expect([opOf('wide'), opOf('hitCount'), opOf('loss')]).toEqual(['Mul', 'AddN', 'Mul']);
  });

  it("checks a user's invariant from the pass on that establishes it", () => {
    const fewNodes: Invariant = {
      name: 'few-nodes',
      summary: 'at most so many nodes',
      from: 'established',
      needs: [],
      check: ({ module }) =>
        module.graph.nodes.size <= 3
          ? []
          : [moduleViolation('few-nodes', 'there are many nodes', 'remove some')],
    };
    const pass = definePass<Record<never, never>>({
      name: 'promise',
      summary: 'establishes what does not hold',
      options: {},
      requires: [],
      establishes: ['few-nodes'],
      preserves: 'all',
      run: (module) => ({ module, patches: [], inversePatches: [], changes: [] }),
    });
    const promise = (invariants: readonly Invariant[]) =>
      compile(small, {
        strategy: 'independent',
        registry: builtinRegistry,
        invariants,
        pipeline: (calls) => [...calls, callPass(pass)],
      });
    expect(() => promise([fewNodes])).toThrowError(
      expect.objectContaining({ code: 'PW_INVARIANT', message: expect.stringContaining('many nodes') }),
    );
  });

  it('says what is wrong with a call that types do not check', () => {
    const call = (model: unknown, options: unknown) => () =>
      compile(model as typeof small, options as Parameters<typeof compile>[1]);
    expect(call(null, { strategy: 'independent' })).toThrowError(code('PW_MODEL_DEFINITION'));
    expect(call('lenet', { strategy: 'independent' })).toThrowError(code('PW_MODEL_DEFINITION'));
    expect(call(small, undefined)).toThrowError(code('PW_COMPILE_OPTIONS'));
    expect(call(small, { strategy: 'independent', numGpu: 2 })).toThrowError(
      expect.objectContaining({ code: 'PW_COMPILE_OPTIONS', hint: 'did you mean numGpus?' }),
    );
    const cluster = localCluster({ numGpus: 2 });
    expect(call(small, { strategy: 'independent', numGpus: 3, cluster })).toThrowError(
      code('PW_COMPILE_OPTIONS'),
    );
    // @ts-expect-error a misspelt strategy is a compile error
    expect(() => compile(small, { strategy: 'replicatd' })).toThrowError(code('PW_STRATEGY_UNKNOWN'));
  });

  it("takes a strategy of one's own: a table of choices", () => {
    const own: Strategy = {
      ...replicated,
      name: 'replicated-on-host',
      choices: (options, context) => ({
        ...replicated.choices(options, context),
        aggregation: 'copyOnHost',
        reduction: 'mean',
      }),
    };
    const { module, strategy, contract } = compile(small, { strategy: own, numGpus: 2 });
    expect(strategy).toBe('replicated-on-host');
    expect(contract.reduction).toBe('mean');
    const sums = [...module.graph.nodes.values()].filter(
      ({ op, phase }) => op === 'AddN' && phase === 'aggregate',
    );
    expect(new Set(sums.map(({ device }) => device))).toEqual(new Set(['/device:CPU:0']));
  });
});
