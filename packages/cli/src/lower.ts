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
  const model = modelOf(settings);
  const compilation = compileFor(settings, model, onPass === undefined ? {} : { onPass });
  return { compilation, ms: performance.now() - started };
}

/** The model's definition, as the settings want it. */
export function modelOf({ model, input, dataFormat, realDropout }: ModelSettings): Model {
  return model.factory({ ...input, dataFormat, realDropout });
}

type Model = ReturnType<ModelSettings['model']['factory']>;

/** Compiles a model, or what was built of it, as the settings say. Throws as `lower` does. */
export function compileFor(
  settings: ModelSettings,
  model: Model | Module,
  options: ManagerOptions & { readonly allowUndefined?: boolean } = {},
): Compilation {
  const { strategy, strategyOptions, cluster, task, training, seed, silence, allowUndefined } = settings;
  return compile<Model['inputs']>(model, {
    ...strategyOptions,
    allowUndefined,
    silence,
    ...options,
    strategy: findStrategy(strategy),
    cluster,
    ...(task === null ? {} : { task }),
    ...('graph' in model ? {} : { training, seed }),
  });
}
