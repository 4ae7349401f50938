import { existsSync, rmSync } from 'node:fs';
import { encodeConstants, localCluster, type Module, printModule } from '@placewright/ir';
import { type Compilation, compile, type PassRecord } from '@placewright/passes';
import { writeAtomically } from './files.js';
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
      strategy: settings.strategy,
      cluster,
      training: settings.training,
      seed: settings.seed,
      ...(onPass === undefined ? {} : { onPass }),
    },
  );
  return { compilation, ms: performance.now() - started };
}

/** The file beside a text form that holds its large constants. */
export function constantsPath(path: string): string {
  return `${path}.constants`;
}

/**
 * Writes a module's text, and its large constants beside it where it has any; gives the files written.
 * Throws PW_FILE_WRITE.
 */
export function writeModule(path: string, module: Module): string[] {
  const { text, constants } = printModule(module);
  const beside = constantsPath(path);
  // First the constants, so that there is never a text whose constants are missing.
  if (constants.size > 0) writeAtomically(beside, encodeConstants(constants));
  writeAtomically(path, text);
  if (constants.size > 0) return [path, beside];
  if (existsSync(beside)) rmSync(beside);
  return [path];
}
