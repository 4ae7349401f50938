import { MAX_DEVICES } from '@placewright/ir';
import type { StrategyOptions } from '@placewright/passes';

/** How the text of an option becomes a value. Numbers have their limits, both allowed. */
export type OptionKind =
  | { readonly kind: 'word'; readonly value: string }
  | { readonly kind: 'file'; readonly value: string }
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  | { readonly kind: 'flag' }
  /** `host:port` of each task of a job, comma between them, or a list in an options file. */
  | { readonly kind: 'hosts' }
  | { readonly kind: 'count'; readonly min: number; readonly max: number }
  | { readonly kind: 'number'; readonly min: number; readonly max: number };

/** One option of `train` and `compile`, on the command line (`--num-gpus`) and in an options file (`num_gpus`, `numGpus`). */
export type OptionDecl = OptionKind & {
  readonly summary: string;
  /** What holds where nothing is said, for help. */
  readonly byDefault?: string;
  /** Further names, in camel case. */
  readonly also?: readonly string[];
};

const TOWERS = { min: 1, max: Number.MAX_SAFE_INTEGER };
const RATE = { min: 0, max: 1e6 };

/** What to compile: options of `train` and `compile`. */
// biome-ignore format: one line an option
export const MODEL_OPTIONS = {
  model: { kind: 'word', value: 'name', summary: 'model of the zoo; `placewright models` lists them' },
  strategy: { kind: 'word', value: 'name', also: ['variableUpdate'], byDefault: 'parameter_server', summary: 'who holds the variables and how gradients meet; `placewright strategies`' },
  numGpus: { kind: 'count', ...TOWERS, byDefault: '1', summary: 'towers of a worker, one on each logical device' },
  device: { kind: 'choice', of: ['cpu', 'gpu'], byDefault: 'gpu', summary: 'what towers run on: logical GPUs, or as many logical CPUs' },
  batchSize: { kind: 'count', min: 1, max: 65_536, byDefault: "the model's", summary: 'images of a tower in a step' },
  optimizer: { kind: 'choice', of: ['sgd', 'momentum', 'rmsprop'], summary: "TensorFlow's update rule" },
  learningRate: { kind: 'number', ...RATE, summary: 'η' },
  momentum: { kind: 'number', min: 0, max: 1, byDefault: '0.95, or 0.9 as recorded', summary: "µ of Nesterov's momentum" },
  rmspropDecay: { kind: 'number', min: 0, max: 1, byDefault: '0.9', summary: 'ρ of rmsprop' },
  rmspropMomentum: { kind: 'number', min: 0, max: 1, byDefault: '0.9', summary: 'µ of rmsprop' },
  rmspropEpsilon: { kind: 'number', min: Number.MIN_VALUE, max: 1e6, byDefault: '1', summary: 'ε of rmsprop' },
  weightDecay: { kind: 'number', ...RATE, byDefault: '0.00004', summary: 'λ of λ·Σ‖w‖²/2, added to the loss of every tower' },
  gradientClip: { kind: 'number', min: Number.MIN_VALUE, max: 1e30, summary: 'clip each element of the aggregated gradients to ±this' },
  clipGlobalNorm: { kind: 'number', min: Number.MIN_VALUE, max: 1e30, summary: 'scale all gradients down to this global norm instead' },
  crossReplicaSync: { kind: 'flag', byDefault: 'true', summary: 'whether the workers of a cluster go step by step together' },
  reduction: { kind: 'choice', of: ['sum', 'mean'], summary: "sum or mean of the towers' gradients; the strategy's own by default" },
  localParameterDevice: { kind: 'choice', of: ['cpu', 'gpu'], byDefault: 'gpu', summary: 'where shared variables live and gradients meet' },
  stagedVars: { kind: 'flag', summary: 'read variables and take gradients a step late, through staging areas' },
  useNccl: { kind: 'flag', byDefault: 'true', summary: 'replicated: aggregate by all-reduce (true) or by copies (false)' },
  dataFormat: { kind: 'choice', of: ['NHWC', 'NCHW'], byDefault: 'NHWC', summary: 'how images lie in memory inside the model' },
  data: { kind: 'choice', of: ['mnist', 'synthetic'], byDefault: 'mnist for lenet and mlp', summary: 'images to train and test with; they decide the size of the input' },
  dataName: { kind: 'choice', of: ['imagenet', 'cifar10'], summary: "tf_cnn_benchmarks' data set, which chooses the model's images and outputs (1001 or 11)" },
  realDropout: { kind: 'flag', summary: "let the model's dropout drop; tf_cnn_benchmarks' never does" },
  allowUndefined: { kind: 'flag', summary: 'compile also what tf_cnn_benchmarks builds and leaves undefined; `placewright strategies --legal`' },
  silence: { kind: 'word', value: 'codes', summary: 'warnings not to print: PW_IMBALANCE,PW_REDUCTION_SUM' },
  seed: { kind: 'count', min: 0, max: 2 ** 31 - 1, byDefault: '0', summary: 'of initial values and of the order of the images' },
} as const satisfies Readonly<Record<string, OptionDecl>> & Record<keyof StrategyOptions, OptionDecl>;

/** The cluster and the task to compile for. Without hosts, it is the devices of one machine. */
// biome-ignore format: one line an option
export const CLUSTER_OPTIONS = {
  psHosts: { kind: 'hosts', summary: 'parameter servers of a cluster: a:2222,b:2222' },
  workerHosts: { kind: 'hosts', summary: 'its workers, each with --num-gpus towers' },
  jobName: { kind: 'choice', of: ['worker', 'ps'], byDefault: 'worker', summary: 'job of the task; parameter servers run no graph' },
  taskIndex: { kind: 'count', min: 0, max: MAX_DEVICES - 1, byDefault: '0', summary: 'which of the workers it is' },
  numPs: { kind: 'count', min: 1, max: MAX_DEVICES, summary: 'how many parameter servers, instead of their hosts' },
  numWorkers: { kind: 'count', min: 1, max: MAX_DEVICES, summary: 'how many workers, instead of their hosts' },
} as const satisfies Readonly<Record<string, OptionDecl>>;

/** How to run it: further options of `train`. */
// biome-ignore format: one line an option
export const RUN_OPTIONS = {
  engine: { kind: 'word', value: 'name', byDefault: 'embedded', summary: 'what runs the lowered graph; `placewright engines`' },
  accumulate: { kind: 'choice', of: ['float32', 'float64'], byDefault: 'float32, or float64 with --tensors', summary: 'what the embedded engine adds up in; float64 is slower, and as near to recorded runs as the reference engine' },
  steps: { kind: 'count', min: 1, max: 1e9, also: ['numBatches'], byDefault: '700, or 15 with --tensors', summary: 'how many steps to train' },
  epochs: { kind: 'number', min: 1e-6, max: 1e6, also: ['numEpochs'], summary: 'how often to go through the images, instead of --steps' },
} as const satisfies Readonly<Record<string, OptionDecl>>;

/** What `train` saves, and begins with; of files and folders, an options file may name these too. */
// biome-ignore format: one line an option
export const CHECKPOINT_OPTIONS = {
  checkpointDir: { kind: 'word', value: 'folder', also: ['trainDir'], summary: 'save checkpoints into a folder, the last when training ends' },
  saveEvery: { kind: 'count', min: 1, max: 1e9, byDefault: '100', summary: 'steps from one checkpoint to the next' },
  keep: { kind: 'count', min: 1, max: 1e6, byDefault: '5', summary: 'checkpoints that stay in the folder: the latest' },
  resume: { kind: 'flag', summary: 'go on from the last whole checkpoint of the folder; without one, begin' },
  checkpoint: { kind: 'word', value: 'file', also: ['pretrainDir'], summary: 'begin with the variables of a checkpoint, of any strategy' },
  freshSlots: { kind: 'flag', summary: "begin the optimizer's slots anew where the checkpoint is of another optimizer" },
} as const satisfies Readonly<Record<string, OptionDecl>>;

/** Files that `train` reads and writes. They are named on the command line only. */
// biome-ignore format: one line an option
export const FILE_OPTIONS = {
  tensors: { kind: 'file', value: 'file', summary: 'initial values and the one batch that every step is fed, as recorded runs have them' },
  out: { kind: 'file', value: 'file', summary: "write the lowered graph's text" },
  report: { kind: 'file', value: 'file', summary: 'write a page (HTML) with the curves and what ran where' },
  trace: { kind: 'file', value: 'file', summary: 'write what each device did when, for chrome://tracing or ui.perfetto.dev' },
} as const satisfies Readonly<Record<string, OptionDecl>>;

export const ALL_OPTIONS = {
  ...MODEL_OPTIONS,
  ...CLUSTER_OPTIONS,
  ...RUN_OPTIONS,
  ...CHECKPOINT_OPTIONS,
  ...FILE_OPTIONS,
} as const;

type ValueOf<D> = D extends { kind: 'choice'; of: readonly (infer C)[] }
  ? C
  : D extends { kind: 'flag' }
    ? boolean
    : D extends { kind: 'count' | 'number' }
      ? number
      : D extends { kind: 'hosts' }
        ? readonly string[]
        : string;

/** What an option's text becomes. */
export type OptionValue = string | number | boolean | readonly string[];
export type OptionName = keyof typeof ALL_OPTIONS;
/** Options that were given, on the command line or in a file. */
export type OptionValues = { readonly [K in OptionName]?: ValueOf<(typeof ALL_OPTIONS)[K]> };

/**
 * tf_cnn_benchmarks' flags that change nothing here: how it measures, prints and saves, and tuning of its own runtime.
 * An options file may have them.
 */
export const MEANINGLESS_OPTIONS: readonly string[] = [
  ...['displayEvery', 'printTrainingAccuracy', 'numWarmupBatches', 'batchGroupSize', 'cacheData'],
  ...['summaryVerbosity', 'saveSummariesSteps', 'saveModelSecs', 'serverProtocol'],
  ...['numIntraThreads', 'numInterThreads', 'gpuMemoryFracPct', 'forceGpuCompatible', 'allowGrowth'],
  ...[
    'autotuneThreshold',
    'winogradNonfused',
    'syncOnFinish',
    'usePythonGpu',
    'localRank',
    'mkl',
    'kmpBlocktime',
  ],
];

/** Flags that tf_cnn_benchmarks has empty where there is no cluster: an empty text or list is none given. */
export const EMPTY_OPTIONS: readonly string[] = ['jobName', 'psHosts', 'workerHosts', 'controllerHost'];

/** `numGpus` as a flag: `--num-gpus`. */
export function flagName(name: string): string {
  return `--${kebabCase(name)}`;
}

/** `numGpus` and `num_gpus` to `num-gpus`. */
export function kebabCase(name: string): string {
  return name
    .replace(/_/g, '-')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase();
}

/** `num_gpus` and `num-gpus` to `numGpus`. */
export function camelCase(name: string): string {
  return name.replace(/[-_]+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The option of that name or of one of its further names, in camel case. */
export function findOption(name: string): { name: OptionName; decl: OptionDecl } | undefined {
  for (const [key, decl] of Object.entries<OptionDecl>(ALL_OPTIONS)) {
    if (key === name || decl.also?.includes(name)) return { name: key as OptionName, decl };
  }
  return undefined;
}
