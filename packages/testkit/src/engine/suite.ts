import { OP_TOLERANCE, RUN_TOLERANCE } from '../compare.js';
import { clusterChecks } from './cluster.js';
import { errorChecks } from './errors.js';
import { recordedChecks, recordedClusterChecks } from './goldens.js';
import { modelChecks } from './models.js';
import { opChecks } from './ops.js';
import type { EngineCheck, SuiteOptions } from './property.js';
import type { Load } from './session.js';
import { stagingChecks } from './staging.js';

const RECORDED_TOLERANCE = 1e-5;

/**
 * Checks that any engine must pass, against the interpreter: every op forward and backward on random shapes; random
 * models under every strategy; values that wait in staging areas and queues from step to step; any tensor fetched; errors with
 * their codes and the names of their nodes; whole clusters, where the engine loads them; and, where they are given, recorded
 * training runs. `load` makes a session of a lowered module.
 */
export function engineSuite<O = unknown>(
  load: Load<O>,
  options: Partial<SuiteOptions<O>> = {},
): readonly EngineCheck[] {
  const { loadOptions, recorded, loadCluster } = options;
  const { loadCluster: _, ...others } = options;
  const complete: SuiteOptions = { opTolerance: OP_TOLERANCE, runTolerance: RUN_TOLERANCE, ...others };
  const tolerance = recorded?.tolerance ?? RECORDED_TOLERANCE;
  const open: Load = (module) => load(module, loadOptions);
  const openRecorded: Load = (module) => load(module, recorded?.loadOptions ?? loadOptions);
  return [
    ...opChecks(open, complete),
    ...modelChecks(open, complete),
    ...stagingChecks(open),
    ...errorChecks(open),
    ...recordedChecks(openRecorded, recorded?.runs ?? [], tolerance),
    ...(loadCluster === undefined
      ? []
      : [
          ...clusterChecks((linked) => loadCluster(linked, loadOptions)),
          ...recordedClusterChecks(
            (linked) => loadCluster(linked, recorded?.loadOptions ?? loadOptions),
            recorded?.clusters ?? [],
            tolerance,
          ),
        ]),
  ];
}
