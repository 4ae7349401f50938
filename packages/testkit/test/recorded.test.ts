import { readdirSync, readFileSync } from 'node:fs';
import {
  buildModel,
  builtinRegistry,
  edit,
  localCluster,
  type Module,
  nodeOf,
  type OptimizerSpec,
  resourceName,
  type TensorValue,
  type TrainingSpec,
  toNumbers,
} from '@placewright/ir';
import { lookupModel, readTensors } from '@placewright/models';
import { compile } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { type RunFeeds, variablePlaces, withRuns } from '../src/index.js';

const HOME = new URL('../data/goldens/training/', import.meta.url);

interface Recorded {
  readonly case: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly losses: readonly number[];
  readonly finalNorms: Readonly<Record<string, number>>;
}

/** Recorded runs of one process. */
function recordedRuns(): Recorded[] {
  const files = readdirSync(HOME).filter((file) => file.endsWith('.json') && !/tensors|_dist_/.test(file));
  return files.map((file) => JSON.parse(readFileSync(new URL(file, HOME), 'utf8')) as Recorded);
}

function trainingOf({ options }: Recorded): TrainingSpec {
  const learningRate = Number(options.learning_rate ?? 0.05);
  const optimizers: Readonly<Record<string, OptimizerSpec>> = {
    sgd: { kind: 'sgd', learningRate },
    momentum: { kind: 'momentum', learningRate, momentum: 0.9, nesterov: true },
    rmsprop: { kind: 'rmsprop', learningRate, decay: 0.9, momentum: 0.9, epsilon: 1 },
  };
  const limit = options.gradient_clip;
  return {
    optimizer: optimizers[String(options.optimizer)] ?? { kind: 'sgd', learningRate },
    weightDecay: 4e-5,
    clip: limit === undefined ? { kind: 'none' } : { kind: 'value', limit: Number(limit) },
  };
}

/** The module with recorded values in the place of random ones. */
function withInitial(module: Module, initial: ReadonlyMap<string, TensorValue>): Module {
  return edit(module, builtinRegistry, 'build', (editor) => {
    for (const role of module.roles) {
      const value = role.kind === 'initializer' ? initial.get(role.variable) : undefined;
      if (role.kind !== 'initializer' || value === undefined) continue;
      const why = { reason: 'recorded' };
      const constant = editor.addNode(
        { op: 'Const', name: 'recorded', attrs: { value }, phase: 'init' },
        why,
      );
      editor.updateNode(nodeOf(module.graph, role.node).id, { inputs: [{ node: constant, port: 0 }] }, why);
    }
  }).module;
}

function runRecorded(recorded: Recorded, steps: number) {
  const { options } = recorded;
  const model = String(options.model);
  const { initial, batch } = readTensors(new URL(`${model}.tensors.json`, HOME).pathname, { classes: 11 });
  const source = buildModel(lookupModel(model).factory(), { training: trainingOf(recorded) });
  const compilation = compile(withInitial(source, initial), {
    strategy: String(options.variable_update),
    cluster: localCluster({ numGpus: Number(options.num_gpus) }),
    ...(options.variable_update === 'independent' ? {} : { localParameterDevice: 'cpu' as const }),
    ...(options.staged_vars === true ? { stagedVars: true } : {}),
    ...(options.use_nccl === undefined ? {} : { useNccl: options.use_nccl === true }),
  });
  // The recorded batch has rows for more towers than some runs have.
  const rows = Number(options.batch_size) * Number(options.num_gpus);
  const cut = ({ dtype, shape, data }: TensorValue): TensorValue => {
    const size = data.length / (shape[0] ?? 1);
    return { dtype, shape: [rows, ...shape.slice(1)], data: data.slice(0, rows * size) };
  };
  const feeds = new Map([
    ['images', cut(batch.images)],
    ['labels', cut(batch.labels)],
  ] as const);
  const all: RunFeeds = { warmUp: feeds, eval: feeds, steps: Array.from({ length: steps }, () => feeds) };
  return withRuns(compilation, all);
}

const norm = (value: TensorValue | Float32Array): number =>
  Math.sqrt(('data' in value ? toNumbers(value) : [...value]).reduce((sum, x) => sum + x * x, 0));

const near = (value: number | undefined, want: number): void => {
  expect(Math.abs((value ?? Number.NaN) - want)).toBeLessThanOrEqual(1e-5 * Math.abs(want) + 1e-9);
};

describe('the oracle and the lowered modules train as the recorded runs do', () => {
  for (const recorded of recordedRuns()) {
    test(recorded.case, () => {
      const run = runRecorded(recorded, recorded.losses.length);
      const oracle = run.oracle();
      const lowered = run.lowered();
      recorded.losses.forEach((loss, k) => {
        near(Number(oracle.steps[k]?.fetches.get('loss')?.data[0]), loss);
        near(Number(lowered.steps[k]?.fetches.get('loss')?.data[0]), loss);
      });
      const last = lowered.steps.at(-1)?.variables;
      const sets = oracle.steps.at(-1)?.sets;
      let compared = 0;
      for (const { variable, shown, name, slot, tower } of variablePlaces(run.compilation.module)) {
        const want = recorded.finalNorms[resourceName(variable)];
        if (want === undefined) continue;
        compared += 1;
        const values = sets?.[tower ?? 0]?.get(name)?.[slot];
        near(values === undefined ? undefined : norm(values), want);
        const value = last?.get(shown);
        near(value === undefined ? undefined : norm(value), want);
      }
      expect(compared).toBe(Object.keys(recorded.finalNorms).length);
    });
  }
});
