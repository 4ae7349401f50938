import { jobTasks, type LinkedModule, link, WORKER_JOB } from '@placewright/ir';
import type { Io } from '../io.js';
import { compileFor, type Lowered } from '../lower.js';
import type { ModelSettings } from '../options/settings.js';
import { lowerWithProgress } from './lower-progress.js';

/** The model compiled for each worker of a cluster, and linked. */
export interface LoweredCluster extends Lowered {
  readonly linked: LinkedModule;
}

/**
 * Compiles the model for every worker, the first one with its progress, and links them: `compilation` is the first
 * worker's with the linked module in the place of its own. Throws as `lower` does, and PW_LINK_*.
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
  const linked = link([first.compilation.module, ...modules]);
  return {
    linked,
    compilation: { ...first.compilation, module: linked.module },
    ms: first.ms + performance.now() - started,
  };
}
