import { formatError, PlacewrightError, printModule } from '@placewright/ir';
import fc from 'fast-check';
import { type TrainingCase, trainingCases } from './arbitraries/case.js';
import { LAWS } from './laws/index.js';
import type { Law } from './laws/law.js';
import { type Prepared, type PrepareOptions, prepare } from './prepare.js';

export interface CheckOptions {
  /** Number of cases; 100 unless given. */
  readonly numRuns?: number;
  /** Seed of the cases; fixed unless given, so that a run can be repeated. */
  readonly seed?: number;
  /** Path of a counterexample, as a report names it. */
  readonly path?: string;
  /** All laws when left out. */
  readonly laws?: readonly Law[];
  readonly cases?: fc.Arbitrary<TrainingCase>;
  readonly prepare?: PrepareOptions;
  /** Make a counterexample smaller; on unless turned off. */
  readonly shrink?: boolean;
  /** Stop after so many milliseconds, whatever the number of cases. */
  readonly timeLimit?: number;
  /** Told before each case: progress. */
  readonly onCase?: (count: number) => void;
}

/** What came out of a check. */
export interface CheckReport {
  readonly ok: boolean;
  /** The law that was broken; `compiles` when the compiler refused, `verify` when an invariant did not hold. */
  readonly law: string | null;
  readonly seed: number;
  readonly path: string | null;
  /** Cases until the law broke, or in all. */
  readonly runs: number;
  readonly seconds: number;
  /** For a person: the broken law, the case, how to repeat it, and the module in text form. */
  readonly text: string;
}

const DEFAULT_SEED = 20_170;
/** Lines of a module that a report shows. */
const MODULE_LINES = 250;

interface Breach {
  readonly law: string;
  readonly error: unknown;
  readonly prepared: Prepared | null;
}

/** Checks laws on random compilations. Never throws; `assertLaws` does. */
export function checkLaws(options: CheckOptions = {}): CheckReport {
  const { numRuns = 100, seed = DEFAULT_SEED, path, shrink = true, timeLimit, laws = LAWS } = options;
  const started = performance.now();
  let count = 0;
  const property = fc.property(options.cases ?? trainingCases(), (plan) => {
    options.onCase?.(count);
    count += 1;
    const breach = breachOf(plan, laws, options.prepare);
    if (breach !== null) throw breach.error;
  });
  const result = fc.check(property, {
    numRuns,
    seed,
    endOnFailure: !shrink,
    ...(path === undefined ? {} : { path }),
    ...(timeLimit === undefined ? {} : { interruptAfterTimeLimit: timeLimit }),
  });
  const seconds = (performance.now() - started) / 1000;
  const [plan] = result.counterexample ?? [];
  if (plan === undefined) {
    const text = `all laws held in ${result.numRuns} cases (seed ${seed})`;
    return { ok: true, law: null, seed, path: null, runs: result.numRuns, seconds, text };
  }
  const breach = breachOf(plan, laws, options.prepare) ?? {
    law: 'repeatable',
    error: result.errorInstance,
    prepared: null,
  };
  const where = { seed, path: result.counterexamplePath, runs: result.numRuns };
  return { ok: false, law: breach.law, ...where, seconds, text: reportText(plan, breach, where) };
}

/** Throws PW_LAW_BROKEN with the report when a law breaks. */
export function assertLaws(options: CheckOptions = {}): void {
  const report = checkLaws(options);
  if (report.ok) return;
  throw new PlacewrightError('PW_LAW_BROKEN', report.text, {
    kind: 'internal',
    hint: `repeat it with { seed: ${report.seed}, path: ${JSON.stringify(report.path)} }`,
  });
}

/** The first law that a case breaks. */
function breachOf(plan: TrainingCase, laws: readonly Law[], options: PrepareOptions = {}): Breach | null {
  let prepared: Prepared | null = null;
  let law = 'compiles';
  try {
    prepared = prepare(plan, options);
    for (const { name, check } of laws) {
      law = name;
      check(prepared);
    }
    return null;
  } catch (error) {
    const invalid = error instanceof PlacewrightError && error.code === 'PW_INVARIANT';
    return { law: invalid ? 'verify' : law, error, prepared };
  }
}

function reportText(
  plan: TrainingCase,
  { law, error, prepared }: Breach,
  { seed, path, runs }: { seed: number; path: string | null; runs: number },
): string {
  const what =
    error instanceof PlacewrightError
      ? formatError(error)
      : String(error instanceof Error ? error.stack : error);
  const lines = prepared === null ? [] : printModule(prepared.compilation.module).text.split('\n');
  const shown = lines.slice(0, MODULE_LINES);
  if (lines.length > shown.length) shown.push(`… and ${lines.length - shown.length} more lines`);
  return [
    `law ${law} is broken: ${what}`,
    `after ${runs} cases; repeat it with seed ${seed} and path ${JSON.stringify(path)}`,
    `case: ${fc.stringify(plan)}`,
    ...(shown.length === 0 ? [] : ['the lowered module:', ...shown]),
  ].join('\n');
}
