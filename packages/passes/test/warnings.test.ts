import {
  DEFAULT_TRAINING,
  defineModel,
  distributedCluster,
  type Module,
  type OptimizerSpec,
  type TrainingSpec,
} from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import {
  type Compilation,
  type CompileOptions,
  compile,
  parameterLoads,
  WARNINGS,
  type WarningContext,
  warningsOf,
} from '../src/index.js';
import { small } from './fixture.js';

/** One large variable and a small one; no moving average. */
const plain = defineModel({
  name: 'plain',
  inputs: { x: { dtype: 'float32', shape: [4] }, labels: { dtype: 'int32', shape: [] } },
  build(b, { x, labels }) {
    const weights = b.variable('weights', { shape: [4, 50] });
    const biases = b.variable('biases', { shape: [50], initializer: { kind: 'zeros' } });
    const logits = b.biasAdd(b.matMul(x, weights.value), biases.value);
    return { loss: b.mean(b.sparseSoftmaxCrossEntropy(logits, labels)) };
  },
});

const MOMENTUM: OptimizerSpec = { kind: 'momentum', learningRate: 0.05, momentum: 0.9, nesterov: true };

function compiled(options: CompileOptions, model: typeof plain | typeof small = plain): Compilation {
  return compile(model, { verify: false, training: DEFAULT_TRAINING, ...options });
}

function contextOf(compilation: Compilation, training: TrainingSpec = DEFAULT_TRAINING): WarningContext {
  const { module, strategy, choices, contract } = compilation;
  return { module, strategy, choices, contract, training };
}

const codesOf = (context: WarningContext): string[] => warningsOf(context).map(({ code }) => code);

/** A replicated module as if it were one worker's of several, whose updates add. */
function oneWorkerOf(
  workers: number,
  optimizer: OptimizerSpec,
  change: Partial<WarningContext['contract']> = {},
): WarningContext {
  const context = contextOf(compiled({ strategy: 'parameter_server', numGpus: 2 }), {
    ...DEFAULT_TRAINING,
    optimizer,
  });
  const hosts = (n: number, port: number): string[] => Array.from({ length: n }, (_, i) => `h:${port + i}`);
  const cluster = distributedCluster({ psHosts: hosts(1, 1), workerHosts: hosts(workers, 9), numGpus: 2 });
  const module: Module = { ...context.module, cluster };
  return { ...context, module, contract: { ...context.contract, workers: 'add', ...change } };
}

describe('a warning', () => {
  it('each has a code of its own, and texts that say something', () => {
    expect(new Set(WARNINGS.map(({ code }) => code)).size).toBe(WARNINGS.length);
    for (const { code, summary, why } of WARNINGS) {
      expect(code).toMatch(/^PW_[A-Z_]+$/);
      expect(summary.length).toBeGreaterThan(20);
      expect(why.length).toBeGreaterThan(40);
    }
  });

  it('comes with a sum over several towers, and not with a mean or with one tower', () => {
    const [warning] = compiled({ strategy: 'replicated', numGpus: 2 }).warnings;
    expect(warning).toMatchObject({ code: 'PW_REDUCTION_SUM' });
    expect(warning?.message).toContain('2 towers');
    expect(warning?.hint).toContain('--learning-rate 0.025');
    expect(compiled({ strategy: 'replicated', numGpus: 1 }).warnings).toEqual([]);
    expect(compiled({ strategy: 'replicated', numGpus: 2, reduction: 'mean' }).warnings).toEqual([]);
  });

  it('can be silenced by its code; a misspelt code is an error', () => {
    const options = { strategy: 'replicated', numGpus: 2 } as const;
    expect(compiled({ ...options, silence: ['PW_REDUCTION_SUM'] }).warnings).toEqual([]);
    expect(() => compiled({ ...options, silence: ['PW_REDUCTION_SUMS'] })).toThrow(
      expect.objectContaining({ code: 'PW_WARNING_UNKNOWN', hint: 'did you mean PW_REDUCTION_SUM?' }),
    );
  });

  it('comes with staged variables: gradients are two steps behind', () => {
    const { warnings } = compiled({
      strategy: 'parameter_server',
      stagedVars: true,
      localParameterDevice: 'cpu',
    });
    expect(warnings.map(({ code }) => code)).toEqual(['PW_GRADIENTS_STALE']);
    expect(warnings[0]?.message).toContain('2 steps behind');
  });

  it('comes with towers that train apart', () => {
    expect(codesOf(contextOf(compiled({ strategy: 'independent', numGpus: 2 })))).toEqual([
      'PW_TOWERS_DIFFER',
    ]);
    expect(codesOf(contextOf(compiled({ strategy: 'independent', numGpus: 1 })))).toEqual([]);
  });

  it('comes with moving averages on several towers', () => {
    const options = { strategy: 'parameter_server', localParameterDevice: 'cpu' } as const;
    const two = compiled({ ...options, numGpus: 2 }, small);
    expect(two.warnings.map(({ code }) => code)).toEqual(['PW_MOVING_AVERAGES']);
    expect(two.warnings[0]?.message).toContain('1 moving average');
    expect(compiled({ ...options, numGpus: 1 }, small).warnings).toEqual([]);
  });

  it('comes with uneven parameter devices, by bytes', () => {
    const { module, warnings } = compiled({ strategy: 'parameter_server', numGpus: 3 });
    const loads = parameterLoads(module);
    expect(loads).toHaveLength(3);
    const bytes = loads.map((load) => load.bytes);
    const ratio = (Math.max(...bytes) * 3) / bytes.reduce((a, b) => a + b);
    expect(ratio).toBeGreaterThan(1.5);
    expect(warnings.map(({ code }) => code)).toEqual(['PW_IMBALANCE']);
    expect(warnings[0]?.message).toContain(`${ratio.toFixed(2)} times the mean of 3 devices`);
    expect(compiled({ strategy: 'parameter_server', localParameterDevice: 'cpu' }).warnings).toEqual([]);
  });

  it('comes with a variable that its device has no memory for', () => {
    const device = (type: string, index: number, memory?: number) => ({
      type,
      index,
      ...(memory === undefined ? {} : { memory }),
    });
    const cluster = (memory: number) => ({
      jobs: [{ name: '', tasks: [{ index: 0, devices: [device('CPU', 0), device('GPU', 0, memory)] }] }],
      links: [],
    });
    const small = compiled({ strategy: 'replicated', cluster: cluster(500) });
    expect(small.warnings.map(({ code }) => code)).toEqual(['PW_VARIABLE_MEMORY']);
    expect(small.warnings[0]?.message).toContain('v0/weights');
    expect(compiled({ strategy: 'replicated', cluster: cluster(1e9) }).warnings).toEqual([]);
  });

  it('comes with several workers whose updates add: by the optimizer, as a rate or as steps', () => {
    const sgd: OptimizerSpec = { kind: 'sgd', learningRate: 0.01 };
    expect(codesOf(oneWorkerOf(2, sgd))).toContain('PW_WORKERS_ADD');
    expect(codesOf(oneWorkerOf(2, MOMENTUM))).toContain('PW_WORKER_STEPS');
    expect(codesOf(oneWorkerOf(1, sgd))).not.toContain('PW_WORKERS_ADD');
    expect(codesOf(oneWorkerOf(1, MOMENTUM))).not.toContain('PW_WORKER_STEPS');
  });

  it('comes with asynchronous training at a large rate, and not with clipping or a small one', () => {
    const skewed = { permittedSkew: 'otherWorkers' } as const;
    const fast = oneWorkerOf(2, MOMENTUM, skewed);
    expect(codesOf(fast)).toContain('PW_ASYNC_RATE');
    const clipped = { ...fast, training: { ...fast.training, clip: { kind: 'value', limit: 1 } as const } };
    expect(codesOf(clipped)).not.toContain('PW_ASYNC_RATE');
    const slow = oneWorkerOf(2, { kind: 'sgd', learningRate: 0.001 }, skewed);
    expect(codesOf(slow)).not.toContain('PW_ASYNC_RATE');
    expect(codesOf(oneWorkerOf(2, MOMENTUM))).not.toContain('PW_ASYNC_RATE');
  });
});
