import { jobTasks, type LinkedModule, WORKER_JOB } from '@placewright/ir';
import { linkWorkers } from '@placewright/passes';
import type { Io } from '../io.js';
import { compileFor, type Lowered } from '../lower.js';
import type { ModelSettings } from '../options/settings.js';
import { lowerWithProgress } from './lower-progress.js';

/** The model compiled for each worker of a cluster, and linked. */
export interface LoweredCluster extends Lowered {
  readonly linked: LinkedModule;
}

/**
 * Compiles the model for every worker, the first one with its progress, links them, and proves of all
 * together that nothing races or hangs: `compilation` is the first
 * worker's with the linked module in the place of its own. Throws as `lower` does, PW_LINK_*, PW_INVARIANT.
 */
export function lowerCluster(
  io: Io,
  settings: ModelSettings,
  options: { readonly silent: boolean },
): LoweredCluster {
  const [chief, ...others] = jobTasks(settings.cluster, WORKER_JOB);
  const first = lowerWithProgress(io, { ...settings, task: chief ?? null }, options);
  const started = performance.now();
  const { source } = first.compilation;
  const modules = others.map((task) => compileFor({ ...settings, task }, source).module);
  const linked = linkWorkers([first.compilation.module, ...modules], first.compilation.contract);
  return {
    linked,
    compilation: { ...first.compilation, module: linked.module },
    ms: first.ms + performance.now() - started,
  };
}
