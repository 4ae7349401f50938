import type { Module } from '@placewright/ir';
import {
  type Compilation,
  compile,
  findStrategy,
  type ManagerOptions,
  type PassRecord,
} from '@placewright/passes';
import type { ModelSettings } from './options/settings.js';

export interface Lowered {
  readonly compilation: Compilation;
  /** Milliseconds from the model's definition to the lowered graph, checks included. */
  readonly ms: number;
}

/** Builds and compiles the model of the settings. Throws PW_CLUSTER_*, PW_MODEL_*, PW_STRATEGY_*. */
export function lower(settings: ModelSettings, onPass?: (record: PassRecord) => void): Lowered {
  const started = performance.now();
  const model = settings.model.factory({ ...settings.input, dataFormat: settings.dataFormat });
  const compilation = compileFor(settings, model, onPass === undefined ? {} : { onPass });
  return { compilation, ms: performance.now() - started };
}

type Model = ReturnType<ModelSettings['model']['factory']>;

/** Compiles a model, or what was built of it, as the settings say. Throws as `lower` does. */
export function compileFor(
  settings: ModelSettings,
  model: Model | Module,
  options: ManagerOptions = {},
): Compilation {
  const { strategy, strategyOptions, cluster, task, training, seed } = settings;
  return compile<Model['inputs']>(model, {
    ...strategyOptions,
    ...options,
    strategy: findStrategy(strategy),
    cluster,
    ...(task === null ? {} : { task }),
    ...('graph' in model ? {} : { training, seed }),
  });
}
