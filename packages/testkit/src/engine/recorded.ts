import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  buildModel,
  builtinRegistry,
  edit,
  localCluster,
  type Module,
  nodeOf,
  type OptimizerSpec,
  PlacewrightError,
  type TensorValue,
  type TrainingSpec,
} from '@placewright/ir';
import { lookupModel, readTensors } from '@placewright/models';
import { type Compilation, compile, findStrategy } from '@placewright/passes';
import type { Feeds, RunFeeds } from '../lowered.js';

/** A training run of another program, to be repeated: every step takes the same batch. */
export interface RecordedRun {
  readonly name: string;
  /** The other program's flags. */
  readonly options: ReadonlyMap<string, string | number | boolean>;
  /** Loss of each step. */
  readonly losses: readonly number[];
  /** L2 norm of each variable after the last step, by shown name. */
  readonly finalNorms: ReadonlyMap<string, number>;
  /** Initial values by the variables' own names. */
  readonly initial: ReadonlyMap<string, TensorValue>;
  /** `images` and `labels`; rows beyond what the run's towers take are left out. */
  readonly batch: Feeds;
}

/** What the files of recorded runs hold. */
interface RecordedFile {
  readonly case: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly losses: readonly number[];
  readonly finalNorms: Readonly<Record<string, number>>;
}

/** Classes that the recorded models tell apart. */
const CLASSES = 11;

/**
 * The recorded runs in a folder that one process can repeat: `NAME.json` beside the `MODEL.tensors.json` of its model.
 * Runs of several processes (`…_dist_…`) are left out. Throws PW_TENSORS_*.
 */
export function readRecordedRuns(folder: URL): RecordedRun[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.json') && !/tensors|_dist_/.test(file));
  return files.map((file) => {
    const recorded = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as RecordedFile;
    const tensors = fileURLToPath(new URL(`${recorded.options.model}.tensors.json`, folder));
    const { initial, batch } = readTensors(tensors, { classes: CLASSES });
    return {
      name: recorded.case,
      options: new Map(Object.entries(recorded.options)),
      losses: recorded.losses,
      finalNorms: new Map(Object.entries(recorded.finalNorms)),
      initial,
      batch: new Map([
        ['images', batch.images],
        ['labels', batch.labels],
      ]),
    };
  });
}

/** A recorded run compiled, its initial values in the place of random ones, with its batches. */
export function compileRecorded(run: RecordedRun): { compilation: Compilation; feeds: RunFeeds } {
  const { options } = run;
  const source = buildModel(lookupModel(String(options.get('model'))).factory(), {
    training: trainingOf(run),
  });
  const strategy = String(options.get('variable_update'));
  const compilation = compile(withInitial(source, run.initial), {
    strategy: findStrategy(strategy),
    cluster: localCluster({ numGpus: Number(options.get('num_gpus')) }),
    ...(strategy === 'independent' ? {} : { localParameterDevice: 'cpu' as const }),
    ...(options.get('staged_vars') === true ? { stagedVars: true } : {}),
    ...(options.has('use_nccl') ? { useNccl: options.get('use_nccl') === true } : {}),
  });
  const rows = Number(options.get('batch_size')) * Number(options.get('num_gpus'));
  const batch = new Map([...run.batch].map(([name, value]) => [name, firstRows(value, rows)]));
  return { compilation, feeds: { warmUp: batch, eval: batch, steps: run.losses.map(() => batch) } };
}

function trainingOf({ name, options }: RecordedRun): TrainingSpec {
  const learningRate = Number(options.get('learning_rate') ?? 0.05);
  const optimizers: ReadonlyMap<string, OptimizerSpec> = new Map<string, OptimizerSpec>([
    ['sgd', { kind: 'sgd', learningRate }],
    ['momentum', { kind: 'momentum', learningRate, momentum: 0.9, nesterov: true }],
    ['rmsprop', { kind: 'rmsprop', learningRate, decay: 0.9, momentum: 0.9, epsilon: 1 }],
  ]);
  const wanted = String(options.get('optimizer') ?? 'sgd');
  const optimizer = optimizers.get(wanted);
  if (optimizer === undefined) {
    throw new PlacewrightError('PW_RECORDED_RUN', `the recorded run ${name} has the optimizer ${wanted}`, {
      hint: `one of ${[...optimizers.keys()].join(', ')}`,
    });
  }
  const limit = options.get('gradient_clip');
  const clip: TrainingSpec['clip'] =
    limit === undefined ? { kind: 'none' } : { kind: 'value', limit: Number(limit) };
  return { optimizer, weightDecay: 4e-5, clip };
}

function withInitial(module: Module, initial: ReadonlyMap<string, TensorValue>): Module {
  const why = { reason: 'recorded' };
  return edit(module, builtinRegistry, 'build', (editor) => {
    for (const role of module.roles) {
      const value = role.kind === 'initializer' ? initial.get(role.variable) : undefined;
      if (role.kind !== 'initializer' || value === undefined) continue;
      const spec = { op: 'Const', name: 'recorded', attrs: { value }, phase: 'init' } as const;
      const inputs = [{ node: editor.addNode(spec, why), port: 0 }];
      editor.updateNode(nodeOf(module.graph, role.node).id, { inputs }, why);
    }
  }).module;
}

function firstRows({ dtype, shape, data }: TensorValue, rows: number): TensorValue {
  const size = data.length / (shape[0] ?? 1);
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.slice(0, rows * size) };
}
