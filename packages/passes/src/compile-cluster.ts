import {
  assertLinked,
  builtinRegistry,
  INVARIANTS,
  type InputSpecs,
  jobTasks,
  type LinkedModule,
  link,
  type ModelDef,
  type Module,
  type OpRegistry,
  PlacewrightError,
  WORKER_JOB,
} from '@placewright/ir';
import { type Compilation, type CompileOptions, compile } from './compile.js';
import type { Contract } from './strategies/choices.js';

/** A model compiled for every worker of a cluster. */
export interface ClusterCompilation {
  readonly linked: LinkedModule;
  /** One for each worker, in their order. */
  readonly workers: readonly Compilation[];
}

export interface LinkOptions {
  readonly registry?: OpRegistry;
  /** Prove of the tasks together that nothing races or hangs; on unless turned off. */
  readonly verify?: boolean;
}

/**
 * Compiles a model for every worker of a cluster, links the graphs, and proves of them together what no worker's graph
 * shows by itself: that nothing races or hangs, and that replicas stay equal where the contract promises it.
 * Throws what `compile` throws, PW_CLUSTER_TASK, PW_LINK_*, PW_INVARIANT.
 */
export function compileCluster<I extends InputSpecs>(
  model: ModelDef<I> | Module,
  options: Omit<CompileOptions, 'task' | 'numGpus'> & Required<Pick<CompileOptions, 'cluster'>>,
): ClusterCompilation {
  const [chief, ...others] = jobTasks(options.cluster, WORKER_JOB);
  if (chief === undefined) {
    throw new PlacewrightError('PW_CLUSTER_TASK', 'the cluster has no worker', {
      hint: `add a job ${WORKER_JOB}; distributedCluster makes clusters`,
    });
  }
  const first = compile(model, { ...options, task: chief });
  const { training: _training, seed: _seed, ...rest } = options;
  const workers = [first, ...others.map((task) => compile<I>(first.source, { ...rest, task }))];
  const linked = linkWorkers(
    workers.map(({ module }) => module),
    first.contract,
    options,
  );
  return { linked, workers };
}

/** Links the modules of all workers, and proves what `compileCluster` does. Throws PW_LINK_*, PW_INVARIANT. */
export function linkWorkers(
  modules: readonly Module[],
  contract: Contract,
  { registry = builtinRegistry, verify = true }: LinkOptions = {},
): LinkedModule {
  const linked = link(modules);
  if (!verify) return linked;
  const only = INVARIANTS.filter(({ from }) => from !== 'promised' || contract.replicasStayEqual);
  const { permittedSkew } = contract;
  assertLinked(linked, registry, { kind: 'internal', only: only.map(({ name }) => name), permittedSkew });
  return linked;
}
