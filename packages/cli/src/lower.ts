import { localCluster } from '@placewright/ir';
import { type Compilation, compile, findStrategy, type PassRecord } from '@placewright/passes';
import type { ModelSettings } from './options/settings.js';

export interface Lowered {
  readonly compilation: Compilation;
  /** Milliseconds from the model's definition to the lowered graph, checks included. */
  readonly ms: number;
}

/** Builds and compiles the model of the settings. Throws PW_CLUSTER_SIZE, PW_MODEL_*, PW_STRATEGY_*. */
export function lower(settings: ModelSettings, onPass?: (record: PassRecord) => void): Lowered {
  const cluster = localCluster({ numGpus: settings.numGpus });
  const started = performance.now();
  const compilation = compile(
    settings.model.factory({ ...settings.input, dataFormat: settings.dataFormat }),
    {
      ...settings.strategyOptions,
      strategy: findStrategy(settings.strategy),
      cluster,
      training: settings.training,
      seed: settings.seed,
      ...(onPass === undefined ? {} : { onPass }),
    },
  );
  return { compilation, ms: performance.now() - started };
}
