import type { BuiltinOp } from '@placewright/ir';
import { formatError, PlacewrightError } from '@placewright/ir';
import type { Target } from '@placewright/passes';
import fc from 'fast-check';
import type { Tolerance } from '../compare.js';
import type { LoadCluster } from './cluster-session.js';
import type { RecordedCluster, RecordedRun } from './recorded.js';

/** One check of a suite, for any test runner: `test(check.name, check.run)`. */
export interface EngineCheck {
  readonly name: string;
  /** Throws PW_LAW_BROKEN, or what the engine throws. */
  readonly run: () => Promise<void>;
}

/** `O` is what the engine takes beside a module. */
export interface SuiteOptions<O = unknown> {
  /** What modules are loaded with. */
  readonly loadOptions?: O;
  /** How the engine loads a linked cluster; without it, clusters are not checked. */
  readonly loadCluster?: LoadCluster<O>;
  /** Recorded training runs that the engine must repeat; none unless given. */
  readonly recorded?: {
    readonly runs: readonly RecordedRun[];
    /** Those of whole clusters, for an engine that loads them; none unless given. */
    readonly clusters?: readonly RecordedCluster[];
    /** What their modules are loaded with, if not `loadOptions`. */
    readonly loadOptions?: O;
    /** How far losses and norms may be off, relative to themselves; 1e-5 unless given. */
    readonly tolerance?: number;
  };
  /** Seed of all cases; fixed unless given. */
  readonly seed?: number;
  /** Cases of each op and direction; 5 unless given. */
  readonly opRuns?: number;
  /** Random models; 12 unless given. */
  readonly modelRuns?: number;
  /** Ops that the engine says it does not run, with the reason. */
  readonly skipOps?: ReadonlyMap<BuiltinOp, string>;
  /** What the engine's modules are legalised for; copies unless given. */
  readonly target?: Target;
  readonly opTolerance: Tolerance;
  readonly runTolerance: Tolerance;
}

/** A check of a property over random cases; a failure names the seed, the path and the smallest case. */
export function propertyCheck<T>(
  name: string,
  cases: fc.Arbitrary<T>,
  options: { readonly seed?: number; readonly numRuns: number },
  body: (value: T) => Promise<void>,
): EngineCheck {
  const { seed = 1, numRuns } = options;
  const run = async (): Promise<void> => {
    const property = fc.asyncProperty(cases, body);
    const result = await fc.check(property, { seed, numRuns });
    if (!result.failed) return;
    const error: unknown = result.errorInstance;
    const what = error instanceof PlacewrightError ? formatError(error) : String(error);
    throw new PlacewrightError('PW_LAW_BROKEN', `${name}: ${what}`, {
      hint: `seed ${seed}, path ${JSON.stringify(result.counterexamplePath)}, case ${fc.stringify(result.counterexample?.[0])}`,
      cause: error,
    });
  };
  return { name, run };
}
