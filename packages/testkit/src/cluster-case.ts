import { buildModel, type LinkedModule, link, type TensorValue, WORKER_JOB } from '@placewright/ir';
import { type CompileOptions, type Contract, compile, findStrategy } from '@placewright/passes';
import type { TrainingCase } from './arbitraries/case.js';
import { clusterOf } from './arbitraries/cluster.js';
import type { Feeds, RunFeeds } from './lowered.js';
import { inputName, inputShape, modelOf } from './model.js';
import { randomFloats, randomInts, randomSource } from './random.js';

/** A case for several workers, compiled for each of them and linked. */
export interface ClusterCase {
  readonly linked: LinkedModule;
  readonly contract: Contract;
}

/** Several laws look at one case. */
const known = new WeakMap<TrainingCase, ClusterCase>();

/** From 2 to 3, as the seed says. */
export function workersOf({ seed }: TrainingCase): number {
  return 2 + (seed % 2);
}

/**
 * A case with parameter servers, without the user's wishes: a device by hand can make what is a tower's a shared one.
 * `more` are further options of the compiler, such as a pipeline with passes of one's own.
 */
export function clusterCase(plan: TrainingCase, more?: Partial<CompileOptions>): ClusterCase {
  if (more !== undefined) return compileCase(plan, workersOf(plan), more);
  const made = known.get(plan) ?? compileCase(plan, workersOf(plan), {});
  known.set(plan, made);
  return made;
}

function compileCase(plan: TrainingCase, workers: number, more: Partial<CompileOptions>): ClusterCase {
  const { strategy, options, target } = plan.strategy;
  const source = buildModel(modelOf(plan.model), { training: plan.training, seed: plan.seed });
  const cluster = clusterOf(plan.cluster, workers);
  const compiled = Array.from({ length: workers }, (_, index) =>
    compile(source, {
      ...options,
      strategy: findStrategy(strategy),
      target,
      cluster,
      task: { job: WORKER_JOB, index },
      ...more,
    }),
  );
  const [first] = compiled as [(typeof compiled)[number]];
  return { linked: link(compiled.map(({ module }) => module)), contract: first.contract };
}

/** Batches of each worker, other data in every one. */
export function clusterFeeds(plan: TrainingCase, steps: number): RunFeeds[] {
  const random = randomSource(plan.seed);
  const rows = plan.batch * plan.cluster.towers;
  const batch = (): Feeds =>
    new Map<string, TensorValue>([
      [inputName(plan.model), randomFloats([rows, ...inputShape(plan.model)], random)],
      ['labels', randomInts('int32', [rows], random, plan.model.classes)],
    ]);
  return Array.from({ length: workersOf(plan) }, () => ({
    warmUp: batch(),
    eval: batch(),
    steps: Array.from({ length: steps }, batch),
  }));
}
