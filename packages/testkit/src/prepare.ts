import { buildModel, builtinRegistry, clusterDevices, type Module, type TensorValue } from '@placewright/ir';
import {
  type Compilation,
  type CompileOptions,
  compile,
  findStrategy,
  towerDevices,
} from '@placewright/passes';
import type { TrainingCase } from './arbitraries/case.js';
import { clusterOf, taskOf } from './arbitraries/cluster.js';
import { type Feeds, type RunFeeds, runLowered, type Trace } from './lowered.js';
import { inputName, inputShape, modelOf } from './model.js';
import { type OracleRun, simulate } from './oracle/oracle.js';
import { randomFloats, randomInts, randomSource } from './random.js';
import { addWishes } from './wishes.js';

/** Steps that a law looks at: enough for what is staged to come through twice. */
export const DEFAULT_STEPS = 4;

const SHAKES = [1, 2, 3];

/** A case compiled, with what the laws compare; runs are made when first asked for. */
export interface Prepared {
  readonly case: TrainingCase;
  readonly compilation: Compilation;
  readonly feeds: RunFeeds;
  /** What the lowered module does, on the interpreter. */
  readonly lowered: () => Trace;
  /** What training means. */
  readonly oracle: () => OracleRun;
  /** The same with weights that are off by their last bits, several times: how much rounding can matter. */
  readonly shaken: () => readonly OracleRun[];
}

export interface PrepareOptions {
  readonly steps?: number;
  /** Further options of the compiler: a pipeline with passes of one's own. */
  readonly compile?: Partial<CompileOptions>;
}

/** Compiles a case. Throws what the compiler throws. */
export function prepare(plan: TrainingCase, options: PrepareOptions = {}): Prepared {
  const source = sourceOf(plan);
  const { strategy, options: chosen, target } = plan.strategy;
  const cluster = clusterOf(plan.cluster);
  const compilation = compile(source, {
    ...chosen,
    strategy: findStrategy(strategy),
    target,
    cluster,
    task: taskOf(plan.cluster),
    ...options.compile,
  });
  const feeds = feedsOf(plan, options.steps ?? DEFAULT_STEPS);
  return { case: plan, ...withRuns(compilation, feeds) };
}

/** A compilation with its runs, each made once. */
export function withRuns(compilation: Compilation, feeds: RunFeeds): Omit<Prepared, 'case'> {
  const { choices, contract, module, source } = compilation;
  const world = { choices, contract, towers: module.towers, registry: builtinRegistry };
  return {
    compilation,
    feeds,
    lowered: once(() => runLowered(module, feeds)),
    oracle: once(() => simulate(source, world, feeds)),
    shaken: once(() =>
      SHAKES.map((seed) => simulate(source, { ...world, shake: randomSource(seed) }, feeds)),
    ),
  };
}

/** The module of a case before any pass, with the user's wishes. */
export function sourceOf(plan: TrainingCase): Module {
  const cluster = clusterOf(plan.cluster);
  const module = buildModel(modelOf(plan.model), { training: plan.training, seed: plan.seed });
  const devices = [
    ...new Set([...clusterDevices(cluster), ...towerDevices({ cluster, task: taskOf(plan.cluster) })]),
  ];
  return addWishes(module, builtinRegistry, plan.model.wishes, devices);
}

/** Batches of a case: other data in every step, so that a step's gradients cannot be taken for another's. */
export function feedsOf(plan: TrainingCase, steps: number): RunFeeds {
  const random = randomSource(plan.seed);
  const rows = plan.batch * plan.cluster.towers;
  const batch = (): Feeds =>
    new Map<string, TensorValue>([
      [inputName(plan.model), randomFloats([rows, ...inputShape(plan.model)], random)],
      ['labels', randomInts('int32', [rows], random, plan.model.classes)],
    ]);
  return { warmUp: batch(), eval: batch(), steps: Array.from({ length: steps }, batch) };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
