import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineModel, type Module, type OptimizerSpec } from '@placewright/ir';
import * as models from '@placewright/models';
import { layerContext, lookupModel, synthetic } from '@placewright/models';
import { type CompileOptions, compile } from '@placewright/passes';
import { afterAll } from 'vitest';
import type { StrategyIdentity } from '../../src/checkpoint/index.js';
import type { Feeds } from '../../src/train-loop.js';

/** A strategy with its options. */
export type Case = Pick<
  CompileOptions,
  'strategy' | 'localParameterDevice' | 'stagedVars' | 'useNccl' | 'reduction'
> & { readonly strategy: 'independent' | 'parameter_server' | 'replicated' };

// biome-ignore format: one line a case
export const CASES: Readonly<Record<string, Case>> = {
  independent: { strategy: 'independent' },
  'parameter_server cpu': { strategy: 'parameter_server', localParameterDevice: 'cpu' },
  'parameter_server gpu': { strategy: 'parameter_server', localParameterDevice: 'gpu' },
  'parameter_server cpu staged': { strategy: 'parameter_server', localParameterDevice: 'cpu', stagedVars: true },
  'parameter_server gpu staged': { strategy: 'parameter_server', localParameterDevice: 'gpu', stagedVars: true },
  'replicated nccl': { strategy: 'replicated', useNccl: true, reduction: 'mean' },
  'replicated copy': { strategy: 'replicated', useNccl: false, localParameterDevice: 'gpu', reduction: 'mean' },
};

export const OPTIMIZERS: Readonly<Record<OptimizerSpec['kind'], OptimizerSpec>> = {
  sgd: { kind: 'sgd', learningRate: 0.05 },
  momentum: { kind: 'momentum', learningRate: 0.05, momentum: 0.9, nesterov: true },
  rmsprop: { kind: 'rmsprop', learningRate: 0.05, decay: 0.9, momentum: 0.9, epsilon: 1 },
};

export const TOWERS = 2;
const ROWS = 4;

export interface Compiled extends StrategyIdentity {
  readonly module: Module;
}

/** A hidden layer, and dropout that drops. */
const dropping = defineModel({
  name: 'dropping',
  inputs: {
    images: { dtype: 'float32', shape: [12, 12, 3] },
    labels: { dtype: 'int32', shape: [] },
  },
  build: (b, { images, labels }) => {
    const layers = layerContext(b, { realDropout: true });
    const scaled = b.mul(b.flatten(images), b.constant(1 / 256));
    const hidden = models.dropout(layers, models.affine(layers, scaled, { units: 32 }));
    const logits = models.affine(layers, hidden, { units: 11, activation: 'linear' });
    return { loss: b.mean(b.sparseSoftmaxCrossEntropy(logits, labels)) };
  },
});

const compiled = new Map<string, Compiled>();

/** A model by a strategy, compiled once. */
export function compileCase(
  name: string,
  optimizer: OptimizerSpec['kind'] = 'momentum',
  { towers = TOWERS, model = 'tinybn', seed = 1 } = {},
): Compiled {
  const key = JSON.stringify([name, optimizer, towers, model, seed]);
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const { module, choices } = compile(model === 'dropping' ? dropping : lookupModel(model).factory(), {
    ...(CASES[name] as Case),
    numGpus: towers,
    seed,
    training: { optimizer: OPTIMIZERS[optimizer], weightDecay: 4e-5, clip: { kind: 'none' } },
  });
  const made = { module, strategy: name, choices: JSON.stringify(choices) };
  compiled.set(key, made);
  return made;
}

const dataset = synthetic({ imageShape: [12, 12, 3], classes: 11, seed: 3, train: 64, test: 16 });

/** Batches of the order of a run from one of them on. */
export function* batches(start = 0, towers = TOWERS): Generator<Feeds> {
  for (const { images, labels } of models.batches(dataset.train, {
    batchSize: towers * ROWS,
    seed: 5,
    start,
  })) {
    yield new Map([
      ['images', images],
      ['labels', labels],
    ]);
  }
}

/** Images that training does not see. */
export function* testBatches(): Generator<Feeds> {
  for (const { images, labels } of models.sequentialBatches(dataset.test, 8)) {
    yield new Map([
      ['images', images],
      ['labels', labels],
    ]);
  }
}

/** A folder for the tests of one file, removed after them. */
export function temporaryFolder(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'placewright-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}
