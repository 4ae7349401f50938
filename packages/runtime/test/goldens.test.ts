import { readdirSync, readFileSync } from 'node:fs';
import type { Module, OptimizerSpec, TensorValue, TrainingSpec } from '@placewright/ir';
import { type Batch, lookupModel, readTensors } from '@placewright/models';
import { compile } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import type { Session } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { variableNorms } from '../src/evaluate.js';
import { train } from '../src/train-loop.js';
import { loadInline } from './inline.js';

const HOME = new URL('../../testkit/data/goldens/training/', import.meta.url);

interface Recorded {
  readonly case: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly losses: readonly number[];
  readonly finalNorms: Readonly<Record<string, number>>;
}

/** Recorded runs of one process. */
const recordedRuns = readdirSync(HOME)
  .filter((file) => file.endsWith('.json') && !/tensors|_dist_/.test(file))
  .map((file) => JSON.parse(readFileSync(new URL(file, HOME), 'utf8')) as Recorded);

function trainingOf({ options }: Recorded): TrainingSpec {
  const learningRate = Number(options.learning_rate);
  const optimizers: Readonly<Record<string, OptimizerSpec>> = {
    sgd: { kind: 'sgd', learningRate },
    momentum: { kind: 'momentum', learningRate, momentum: 0.9, nesterov: true },
    rmsprop: { kind: 'rmsprop', learningRate, decay: 0.9, momentum: 0.9, epsilon: 1 },
  };
  const limit = options.gradient_clip;
  return {
    optimizer: optimizers[String(options.optimizer)] as OptimizerSpec,
    weightDecay: 4e-5,
    clip: limit === undefined ? { kind: 'none' } : { kind: 'value', limit: Number(limit) },
  };
}

function moduleOf(recorded: Recorded): Module {
  const { options } = recorded;
  return compile(lookupModel(String(options.model)).factory(), {
    strategy: String(options.variable_update),
    numGpus: Number(options.num_gpus),
    training: trainingOf(recorded),
    ...(options.variable_update === 'independent' ? {} : { localParameterDevice: 'cpu' as const }),
    ...(options.staged_vars === true ? { stagedVars: true } : {}),
    ...(options.use_nccl === undefined ? {} : { useNccl: options.use_nccl === true }),
  }).module;
}

/** The recorded batch has rows for more towers than some runs have. */
function firstRows({ dtype, shape, data }: TensorValue, rows: number): TensorValue {
  const size = data.length / (shape[0] ?? 1);
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.slice(0, rows * size) };
}

function* sameBatch({ images, labels }: Batch, rows: number): Generator<ReadonlyMap<string, TensorValue>> {
  while (true)
    yield new Map([
      ['images', firstRows(images, rows)],
      ['labels', firstRows(labels, rows)],
    ]);
}

const engines: Readonly<Record<string, (module: Module) => Promise<Session>>> = {
  reference: (module) => referenceEngine.load(module),
  'embedded, sums in float64': (module) => loadInline(module, { accumulate: 'float64' }),
};

const difference = (value: number | undefined, want: number): number =>
  value === want ? 0 : Math.abs((value ?? Number.NaN) - want) / Math.abs(want);

describe.each(Object.entries(engines))('recorded runs on the engine %s', (_, load) => {
  test.for(recordedRuns)('$case', async (recorded) => {
    const { options, losses, finalNorms } = recorded;
    const tensors = new URL(`${options.model}.tensors.json`, HOME).pathname;
    const { initial, batch } = readTensors(tensors, { classes: 11 });
    const module = moduleOf(recorded);
    const session = await load(module);
    try {
      const feeds = sameBatch(batch, Number(options.batch_size) * Number(options.num_gpus));
      const { reports } = await train(session, { module, steps: losses.length, feeds, initial });
      expect(reports).toHaveLength(losses.length);
      losses.forEach((loss, i) => {
        expect(difference(reports[i]?.loss, loss), `loss of step ${i + 1}`).toBeLessThan(1e-5);
      });
      const norms = variableNorms(await session.readVariables());
      for (const [name, norm] of Object.entries(finalNorms)) {
        expect(difference(norms.get(name), norm), name).toBeLessThan(1e-5);
      }
    } finally {
      await session.close();
    }
  });
});
