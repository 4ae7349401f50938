import {
  assertValid,
  buildModel,
  builtinRegistry,
  type Cluster,
  DEFAULT_TRAINING,
  type InputSpecs,
  isLocal,
  jobTasks,
  LOCAL_TASK,
  localCluster,
  type ModelDef,
  type Module,
  nearest,
  type OpRegistry,
  PlacewrightError,
  type TaskName,
  type TrainingSpec,
  WORKER_JOB,
} from '@placewright/ir';
import { checkTraining, shown } from './check-options.js';
import { hostDevice, towerDevices } from './devices.js';
import { type ManagerOptions, type PassRecord, runPipeline } from './manager.js';
import type { PassCall } from './pass.js';
import {
  type Choices,
  type Contract,
  contractOf,
  type Strategy,
  type StrategyOptions,
} from './strategies/choices.js';
import { checkLegal } from './strategies/legality.js';
import { pipelineFor, type Target } from './strategies/pipeline.js';
import { completeOptions, findStrategy, type StrategyName } from './strategies/registry.js';
import { warningsOf } from './warnings/registry.js';
import type { Warning } from './warnings/warning.js';

export interface CompileOptions extends StrategyOptions, ManagerOptions {
  /** Name of a strategy, or one of your own; `findStrategy` looks up a name that is known only at run time. */
  readonly strategy: StrategyName | Strategy;
  /** What to compile for; a local cluster of `numGpus` devices when left out. */
  readonly cluster?: Cluster;
  readonly numGpus?: number;
  /** The worker of the cluster to compile for; the first one when left out. */
  readonly task?: TaskName;
  /** Optimizer, weight decay and clipping, where a model definition is given. */
  readonly training?: TrainingSpec;
  /** Seed of the initial values, where a model definition is given. */
  readonly seed?: number;
  readonly registry?: OpRegistry;
  readonly target?: Target;
  /** Compile also what the original builds and leaves undefined, as the table of legal combinations says. */
  readonly allowUndefined?: boolean;
  /** Codes of warnings that are not to be given: see `WARNINGS`. */
  readonly silence?: readonly string[];
  /** Changes the pipeline that the strategy asks for: the place for passes of one's own. */
  readonly pipeline?: (calls: readonly PassCall[]) => readonly PassCall[];
}

/** A compiled model: the lowered module, and how it came about. */
export interface Compilation {
  readonly module: Module;
  /** The module before the first pass. */
  readonly source: Module;
  readonly records: readonly PassRecord[];
  readonly strategy: string;
  readonly choices: Choices;
  readonly contract: Contract;
  /** What is no error, but worth a word. */
  readonly warnings: readonly Warning[];
}

/**
 * Compiles a model for a cluster with a strategy: every node of the result has a device.
 * Throws a PlacewrightError: PW_STRATEGY_*, PW_WARNING_UNKNOWN, PW_TRAINING_VALUE, PW_CLUSTER_*, PW_MODEL_*, PW_OP_*,
 * PW_INVARIANT.
 */
export function compile<I extends InputSpecs>(
  model: ModelDef<I> | Module,
  options: CompileOptions,
): Compilation {
  checkCall(model, options);
  const { registry = builtinRegistry, training, seed } = options;
  const strategy = typeof options.strategy === 'object' ? options.strategy : findStrategy(options.strategy);
  const cluster = options.cluster ?? localCluster({ numGpus: options.numGpus ?? 1 });
  const task = compiledTask(cluster, options.task);
  const site = { cluster, task };
  const asked = 'graph' in model ? model.training : training;
  if (asked) checkTraining(asked);
  const { allowUndefined = false } = options;
  checkLegal(strategy, { options, cluster, training: asked ?? DEFAULT_TRAINING }, { allowUndefined });
  const complete = completeOptions(strategy, options);
  const source =
    'graph' in model
      ? model
      : buildModel(model, {
          registry,
          ...(training === undefined ? {} : { training }),
          ...(seed === undefined ? {} : { seed }),
        });
  checkSource(source, cluster, registry, options);
  const spec = source.training ?? DEFAULT_TRAINING;
  const choices = strategy.choices(complete, {
    host: hostDevice(site),
    clipping: spec.clip,
    distributed: !isLocal(cluster),
  });
  const calls = pipelineFor(choices, spec, towerDevices(site), options.target ?? { collectives: 'nccl' });
  const { module, records } = runPipeline(
    source,
    options.pipeline?.(calls) ?? calls,
    { registry, ...site },
    options,
  );
  const contract = contractOf(choices);
  const found = { module, strategy: strategy.name, choices, contract };
  const warnings = warningsOf({ ...found, training: spec }, options.silence);
  return { ...found, source, records, warnings };
}

/** Fields of `CompileOptions`, so that a misspelt one is not silently left out. */
const OPTION_NAMES: { readonly [K in keyof CompileOptions]-?: true } = {
  strategy: true,
  cluster: true,
  numGpus: true,
  task: true,
  training: true,
  seed: true,
  registry: true,
  target: true,
  allowUndefined: true,
  silence: true,
  pipeline: true,
  localParameterDevice: true,
  stagedVars: true,
  useNccl: true,
  crossReplicaSync: true,
  reduction: true,
  verify: true,
  invariants: true,
  onPass: true,
};

/** What TypeScript would have refused, for programs that it does not check. */
function checkCall(model: unknown, options: unknown): void {
  if (typeof model !== 'object' || model === null) {
    throw new PlacewrightError('PW_MODEL_DEFINITION', `${shown(model)} is no model`, {
      hint: 'give a model definition, such as lenet(), or the module that buildModel gives',
    });
  }
  if (typeof options !== 'object' || options === null || !('strategy' in options)) {
    throw new PlacewrightError('PW_COMPILE_OPTIONS', 'compile needs options that name a strategy', {
      hint: "write compile(model, { strategy: 'replicated', numGpus: 2 })",
    });
  }
  const names = Object.keys(OPTION_NAMES);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const near = nearest(unknown, names);
    throw new PlacewrightError('PW_COMPILE_OPTIONS', `compile has no option ${shown(unknown)}`, {
      hint: near === undefined ? `it has ${names.join(', ')}` : `did you mean ${near}?`,
    });
  }
  const { cluster, numGpus } = options as CompileOptions;
  if (cluster !== undefined && numGpus !== undefined) {
    throw new PlacewrightError('PW_COMPILE_OPTIONS', 'numGpus and cluster are both given', {
      hint: 'leave numGpus out: the cluster says how many devices there are',
    });
  }
}

/** The task that is compiled for. Throws PW_CLUSTER_TASK. */
function compiledTask(cluster: Cluster, given: TaskName | undefined): TaskName {
  if (isLocal(cluster)) {
    if (given === undefined || (given.job === '' && given.index === 0)) return LOCAL_TASK;
    throw taskError(`the cluster is one task, and ${shown(given)} is asked for`, 'leave the option task out');
  }
  const workers = jobTasks(cluster, WORKER_JOB);
  const found = workers.find(({ index }) => index === (given?.index ?? 0));
  if (found !== undefined && (given === undefined || given.job === WORKER_JOB)) return found;
  throw taskError(
    given === undefined ? 'the cluster has no worker' : `${shown(given)} is no worker of the cluster`,
    workers.length === 0
      ? `add a job ${WORKER_JOB}`
      : `graphs are compiled for /job:${WORKER_JOB}/task:0 to task:${workers.length - 1}; parameter servers run none`,
  );
}

function taskError(message: string, hint: string): PlacewrightError {
  return new PlacewrightError('PW_CLUSTER_TASK', message, { hint });
}

/** What is wrong with the model is the user's fault, and said before a pass can be blamed for it. */
function checkSource(source: Module, cluster: Cluster, registry: OpRegistry, options: ManagerOptions): void {
  if (source.towers > 0 || source.cluster !== null) {
    throw new PlacewrightError(
      'PW_MODEL_LOWERED',
      `module ${JSON.stringify(source.name)} is lowered already`,
      {
        hint: 'compile the module that buildModel gives; a lowered one is loaded by an engine',
      },
    );
  }
  if (options.verify === false) return;
  // With the cluster, so that devices given by hand are looked for in it.
  assertValid({ ...source, cluster }, registry, { kind: 'user', more: options.invariants ?? [] });
}
