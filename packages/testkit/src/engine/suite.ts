import { OP_TOLERANCE, RUN_TOLERANCE } from '../compare.js';
import { modelChecks } from './models.js';
import { opChecks } from './ops.js';
import type { EngineCheck, SuiteOptions } from './property.js';
import type { Load } from './session.js';

/**
 * Checks that any engine must pass: every op forward and backward, random models under every strategy, staging, any
 * tensor fetched, errors with their codes; all against the interpreter. `load` makes a session of a lowered module.
 */
export function engineSuite(load: Load, options: Partial<SuiteOptions> = {}): readonly EngineCheck[] {
  const complete: SuiteOptions = { opTolerance: OP_TOLERANCE, runTolerance: RUN_TOLERANCE, ...options };
  return [...opChecks(load, complete), ...modelChecks(load, complete)];
}
