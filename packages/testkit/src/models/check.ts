import { formatError, PlacewrightError } from '@placewright/ir';
import fc from 'fast-check';
import type { CheckReport } from '../check.js';
import { placementPlans } from './arbitrary.js';
import type { PlacementPlan } from './plan.js';
import { type Compared, PLACEMENT_RULES, type PlacementRule, tryPlacement } from './rules.js';

const DEFAULT_SEED = 20_170;

export interface RuleOptions {
  /** Number of placements; 1,000 unless given. */
  readonly numRuns?: number;
  /** Seed of the placements; fixed unless given, so that a run can be repeated. */
  readonly seed?: number;
  /** Path of a counterexample, as a report names it. */
  readonly path?: string;
  /** Make a counterexample smaller; on unless turned off. */
  readonly shrink?: boolean;
}

/** What came out of trying a rule. */
export interface RuleReport {
  readonly ok: boolean;
  readonly seed: number;
  readonly path: string | null;
  readonly runs: number;
  /** For a person: what differs, the placement, how to repeat it. */
  readonly text: string;
}

/** Tries a rule on random placements: what lowering did is what the rule's model says. Never throws. */
export function checkRule(rule: PlacementRule, options: RuleOptions = {}): RuleReport {
  const { numRuns = 1000, seed = DEFAULT_SEED, path, shrink = true } = options;
  const property = fc.property(placementPlans(rule.bounds), (plan) => tryRule(rule, plan));
  const result = fc.check(property, {
    numRuns,
    seed,
    endOnFailure: !shrink,
    ...(path === undefined ? {} : { path }),
  });
  const { failed, counterexamplePath, numRuns: runs } = result;
  if (!failed)
    return { ok: true, seed, path: null, runs, text: `${rule.name}: ${runs} placements (seed ${seed})` };
  const error: unknown = result.errorInstance;
  const text = [
    `${rule.name}: ${error instanceof PlacewrightError ? formatError(error) : String(error)}`,
    `after ${runs} placements; repeat it with seed ${seed} and path ${JSON.stringify(counterexamplePath)}`,
    `placement: ${fc.stringify(result.counterexample?.[0])}`,
  ].join('\n');
  return { ok: false, seed, path: counterexamplePath, runs, text };
}

/** Throws PW_LAW_BROKEN with the report where a placement goes against the rule. */
export function assertRule(rule: PlacementRule, options: RuleOptions = {}): void {
  const { ok, text, seed, path } = checkRule(rule, options);
  if (ok) return;
  throw new PlacewrightError('PW_LAW_BROKEN', text, {
    kind: 'internal',
    hint: `repeat it with { seed: ${seed}, path: ${JSON.stringify(path)} }`,
  });
}

/** Tries every rule, as `checkLaws` tries laws: the report is of the first that is broken, which it calls a law. */
export function checkRules(options: RuleOptions = {}): CheckReport {
  const started = performance.now();
  let runs = 0;
  for (const rule of PLACEMENT_RULES) {
    const report = checkRule(rule, options);
    runs += report.runs;
    const seconds = (performance.now() - started) / 1000;
    if (!report.ok) return { ...report, law: rule.id, runs, seconds };
  }
  const { seed = DEFAULT_SEED } = options;
  const seconds = (performance.now() - started) / 1000;
  const text = `all rules held in ${runs} placements (seed ${seed})`;
  return { ok: true, law: null, seed, path: null, runs, seconds, text };
}

function tryRule(rule: PlacementRule, plan: PlacementPlan): void {
  for (const compared of rule.compare(tryPlacement(plan, rule.upTo))) mustAgree(compared);
}

/** Throws PW_LAW with the first place where the two differ. */
function mustAgree({ what, got, want }: Compared): void {
  const found = differing(what, got, want);
  if (found === null) return;
  throw new PlacewrightError('PW_LAW', found, { kind: 'internal' });
}

function differing(where: string, got: unknown, want: unknown): string | null {
  if (Object.is(got, want)) return null;
  if (!isTree(got) || !isTree(want)) return `${where} is ${JSON.stringify(got)}, not ${JSON.stringify(want)}`;
  for (const key of new Set([...Object.keys(want), ...Object.keys(got)])) {
    const found = differing(`${where}.${key}`, own(got, key), own(want, key));
    if (found !== null) return found;
  }
  return null;
}

type Tree = Readonly<Record<string, unknown>>;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}

function own(tree: Tree, key: string): unknown {
  return Object.hasOwn(tree, key) ? tree[key] : undefined;
}
