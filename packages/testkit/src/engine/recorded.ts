import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  buildModel,
  builtinRegistry,
  distributedCluster,
  edit,
  type LinkedModule,
  link,
  localCluster,
  type Module,
  nodeOf,
  type OptimizerSpec,
  PlacewrightError,
  type TensorValue,
  type TrainingSpec,
  WORKER_JOB,
} from '@placewright/ir';
import { lookupModel, readTensors } from '@placewright/models';
import {
  type Compilation,
  type CompileOptions,
  compile,
  findStrategy,
  type StrategyOptions,
} from '@placewright/passes';
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

/** A recorded run of a whole cluster. */
export interface RecordedCluster extends Omit<RecordedRun, 'losses' | 'finalNorms'> {
  readonly servers: number;
  /** What each worker showed, the first one first. */
  readonly workers: readonly {
    readonly losses: readonly number[];
    readonly globalStep: number;
    /** L2 norm of each shared variable after the last step, by shown name. */
    readonly finalNorms: ReadonlyMap<string, number>;
  }[];
}

/** What the files of recorded runs hold. */
interface RecordedFile {
  readonly case: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly losses: readonly number[];
  readonly finalNorms: Readonly<Record<string, number>>;
  readonly num_ps?: number;
  readonly workers?: readonly {
    readonly losses: readonly number[];
    readonly global_step: number;
    readonly final_norms: Readonly<Record<string, number>>;
  }[];
}

/** Classes that the recorded models tell apart. */
const CLASSES = 11;

/**
 * The recorded runs in a folder that one process can repeat: `NAME.json` beside the `MODEL.tensors.json` of its model.
 * Runs of clusters are left out: see `readRecordedClusters`. Throws PW_TENSORS_*.
 */
export function readRecordedRuns(folder: URL): RecordedRun[] {
  return recordedFiles(folder).flatMap((recorded): RecordedRun[] => {
    if (recorded.workers !== undefined) return [];
    const { losses, finalNorms } = recorded;
    return [{ ...commonOf(folder, recorded), losses, finalNorms: new Map(Object.entries(finalNorms)) }];
  });
}

/** The recorded runs of whole clusters in a folder. Throws PW_TENSORS_*. */
export function readRecordedClusters(folder: URL): RecordedCluster[] {
  return recordedFiles(folder).flatMap((recorded): RecordedCluster[] => {
    if (recorded.workers === undefined) return [];
    const workers = recorded.workers.map(({ losses, global_step, final_norms }) => ({
      losses,
      globalStep: global_step,
      finalNorms: new Map(Object.entries(final_norms)),
    }));
    return [{ ...commonOf(folder, recorded), servers: recorded.num_ps ?? 1, workers }];
  });
}

function recordedFiles(folder: URL): RecordedFile[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.json') && !/tensors/.test(file));
  return files.map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as RecordedFile);
}

function commonOf(
  folder: URL,
  recorded: RecordedFile,
): Pick<RecordedRun, 'name' | 'options' | 'initial' | 'batch'> {
  const tensors = fileURLToPath(new URL(`${recorded.options.model}.tensors.json`, folder));
  const { initial, batch } = readTensors(tensors, { classes: CLASSES });
  return {
    name: recorded.case,
    options: new Map(Object.entries(recorded.options)),
    initial,
    batch: new Map([
      ['images', batch.images],
      ['labels', batch.labels],
    ]),
  };
}

/** A recorded run compiled, its initial values in the place of random ones, with its batches. */
export function compileRecorded(run: RecordedRun): { compilation: Compilation; feeds: RunFeeds } {
  const compilation = compile(sourceOf(run), {
    ...choicesOf(run),
    cluster: localCluster({ numGpus: Number(run.options.get('num_gpus')) }),
  });
  return { compilation, feeds: feedsOf(run, 0, run.losses.length) };
}

/**
 * A recorded cluster compiled for each worker and linked; tower t of worker w takes the rows of tower w·N + t of the
 * recorded batch.
 */
export function compileRecordedCluster(run: RecordedCluster): { linked: LinkedModule; feeds: RunFeeds[] } {
  const source = sourceOf(run);
  const hosts = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${name}${i}:2222`);
  const cluster = distributedCluster({
    psHosts: hosts('ps', run.servers),
    workerHosts: hosts('worker', run.workers.length),
    numGpus: Number(run.options.get('num_gpus')),
  });
  const modules = run.workers.map(
    (_, index) => compile(source, { ...choicesOf(run), cluster, task: { job: WORKER_JOB, index } }).module,
  );
  return {
    linked: link(modules),
    feeds: run.workers.map(({ losses }, worker) => feedsOf(run, worker, losses.length)),
  };
}

type Recorded = Pick<RecordedRun, 'name' | 'options' | 'initial' | 'batch'>;

function sourceOf(run: Recorded): Module {
  const model = lookupModel(String(run.options.get('model'))).factory();
  return withInitial(buildModel(model, { training: trainingOf(run) }), run.initial);
}

function choicesOf({ options }: Recorded): Pick<CompileOptions, 'strategy'> & StrategyOptions {
  const strategy = String(options.get('variable_update'));
  return {
    strategy: findStrategy(strategy),
    ...(strategy === 'independent' ? {} : { localParameterDevice: 'cpu' as const }),
    ...(options.get('staged_vars') === true ? { stagedVars: true } : {}),
    ...(options.has('use_nccl') ? { useNccl: options.get('use_nccl') === true } : {}),
  };
}

/** The rows of a worker's towers, the same at every step. */
function feedsOf({ options, batch }: Recorded, worker: number, steps: number): RunFeeds {
  const rows = Number(options.get('batch_size')) * Number(options.get('num_gpus'));
  const own = new Map([...batch].map(([name, value]) => [name, rowsOf(value, worker * rows, rows)]));
  return { warmUp: own, eval: own, steps: Array.from({ length: steps }, () => own) };
}

function trainingOf({ name, options }: Recorded): TrainingSpec {
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

function rowsOf({ dtype, shape, data }: TensorValue, from: number, rows: number): TensorValue {
  const size = data.length / (shape[0] ?? 1);
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.slice(from * size, (from + rows) * size) };
}
