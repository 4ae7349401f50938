import {
  builtinRegistry,
  type Counterexample,
  type LinkedModule,
  type PermittedSkew,
  type Violation,
  verifyLinked,
} from '@placewright/ir';
import { buildCluster } from './build.js';
import { drawCluster } from './draw.js';
import { areRacing, explore, type Findings } from './explore.js';
import { replay } from './replay.js';
import type { ClusterSpec } from './spec.js';

// The verifier's proofs against all schedules: clusters are drawn, some of them faulty, and every order in which the
// interpreter can run them is tried.

/** What the checker and all schedules say of one cluster. */
export interface Comparison {
  readonly seed: number;
  readonly spec: ClusterSpec;
  readonly linked: LinkedModule;
  readonly found: readonly Violation[];
  readonly truth: Findings;
  /** Faults that are there and that the checker does not report. */
  readonly missed: readonly FaultKind[];
  /** Faults that it reports and that are not there. */
  readonly false: readonly FaultKind[];
  /** Reports whose counterexample is missing or does not lead to what it is said to lead to. */
  readonly unreplayed: readonly Violation[];
}

export const FAULT_KINDS = ['hang', 'race', 'unfilled'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

const INVARIANTS: Readonly<Record<string, FaultKind>> = {
  'no-hang': 'hang',
  'no-race': 'race',
  'no-race-across-tasks': 'race',
  'staging-balanced': 'unfilled',
  'staging-filled': 'unfilled',
};

/** States of one cluster that are looked at: those with more are drawn again. */
const MOST_STATES = 6_000;

/** What says which faults a cluster has. */
export type Checker = (linked: LinkedModule) => readonly Violation[];

const verifier: Checker = (linked) =>
  verifyLinked(linked, builtinRegistry, { only: Object.keys(INVARIANTS) });

/** Draws the cluster of a seed and compares; null where it has too many states. */
export function compareCluster(seed: number, check: Checker = verifier): Comparison | null {
  const spec = drawCluster(seed);
  const linked = buildCluster(spec);
  const truth = truthOf(linked);
  if (truth === null) return null;
  const found = check(linked);
  const reported = new Set(found.flatMap(({ invariant }) => INVARIANTS[invariant] ?? []));
  const there = kindsOf(truth);
  return {
    ...{ seed, spec, linked, found, truth },
    missed: [...there].filter((kind) => !reported.has(kind)),
    false: [...reported].filter((kind) => !there.has(kind) && !(kind === 'unfilled' && isMoot(found, truth))),
    unreplayed: found.filter((violation) => !replays(linked, violation)),
  };
}

/** Behind a hang nothing comes that an area could be empty for, and areas that are not balanced are refused as such. */
function isMoot(found: readonly Violation[], { hangs }: Findings): boolean {
  return hangs || found.some(({ invariant }) => invariant === 'staging-balanced');
}

function kindsOf({ hangs, races, unfilled }: Findings): Set<FaultKind> {
  const all: readonly (readonly [FaultKind, boolean])[] = [
    ['hang', hangs],
    ['race', races],
    ['unfilled', unfilled],
  ];
  return new Set(all.flatMap(([kind, is]) => (is ? [kind] : [])));
}

/** Hangs are looked for in more steps, in which buffers may fill up, but without the accesses, which never wait. */
function truthOf(linked: LinkedModule): Findings | null {
  const skew = skewOf(linked);
  const long = explore(linked, { steps: 5, mostStates: MOST_STATES, skew, races: false });
  if (long === null) return null;
  const short = explore(linked, {
    steps: linked.tasks.length === 3 ? 2 : 3,
    mostStates: MOST_STATES,
    skew,
    races: true,
  });
  if (short === null) return null;
  return {
    hangs: long.hangs || short.hangs,
    races: short.races,
    unfilled: long.unfilled || short.unfilled,
    states: long.states + short.states,
  };
}

const skewOf = ({ tasks }: LinkedModule): PermittedSkew =>
  tasks.every(({ entries }) => entries.barrier !== undefined) ? 'otherWorkers' : 'none';

/** Whether the interpreter, led along the counterexample, comes to what is reported. */
function replays(linked: LinkedModule, violation: Violation): boolean {
  const kind = INVARIANTS[violation.invariant];
  if (kind !== 'hang' && kind !== 'race') return true;
  const { counterexample } = violation;
  return counterexample !== undefined && leadsTo(linked, counterexample, kind);
}

function leadsTo(linked: LinkedModule, counterexample: Counterexample, kind: 'hang' | 'race'): boolean {
  const { stuckAt, deadlock, ready } = replay(linked, counterexample);
  if (stuckAt !== null) return false;
  if (kind === 'hang') return deadlock !== null;
  const skew = skewOf(linked);
  return ready.some((a, i) => ready.slice(i + 1).some((b) => areRacing(a, b, skew)));
}

export interface CrossCheckOptions {
  /** Clusters to compare. */
  readonly count: number;
  /** Seed of the first one; that of each further one is one more. */
  readonly seed: number;
  /** What is checked; the verifier when left out. */
  readonly check?: Checker;
  /** Told after each cluster. */
  readonly onCluster?: (done: number) => void;
}

/** How often a fault was put in, and in how many of these clusters something then goes wrong. */
export interface FaultCount {
  readonly drawn: number;
  readonly harmful: number;
}

export interface CrossCheckReport {
  readonly clusters: number;
  /** Clusters in which something goes wrong in some schedule. */
  readonly faulty: number;
  readonly byKind: ReadonlyMap<FaultKind, number>;
  /** By what was done to them; empty for nothing. */
  readonly byFault: ReadonlyMap<string, FaultCount>;
  /** States of all clusters together. */
  readonly states: number;
  /** Clusters that were left out, since they have too many states. */
  readonly tooLarge: number;
  /** Counterexamples that led the interpreter to what they were said to. */
  readonly replayed: number;
  /** Comparisons that disagree. */
  readonly failures: readonly Comparison[];
}

/** Draws and compares that many clusters. The same report for the same options. */
export function crossCheck({ count, seed, check, onCluster }: CrossCheckOptions): CrossCheckReport {
  const tally = new Tally();
  for (let at = seed; tally.clusters < count; at++) {
    tally.add(compareCluster(at, check));
    onCluster?.(tally.clusters);
  }
  return tally;
}

class Tally implements CrossCheckReport {
  clusters = 0;
  faulty = 0;
  states = 0;
  tooLarge = 0;
  replayed = 0;
  readonly byKind = new Map<FaultKind, number>(FAULT_KINDS.map((kind) => [kind, 0]));
  readonly byFault = new Map<string, FaultCount>();
  readonly failures: Comparison[] = [];

  add(comparison: Comparison | null): void {
    if (comparison === null) {
      this.tooLarge += 1;
      return;
    }
    const { spec, truth, found, missed, false: wrong, unreplayed } = comparison;
    const kinds = kindsOf(truth);
    this.clusters += 1;
    this.states += truth.states;
    this.faulty += Math.min(1, kinds.size);
    for (const kind of kinds) this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
    for (const fault of spec.faults.length === 0 ? [''] : new Set(spec.faults))
      this.#count(fault, kinds.size > 0);
    this.replayed +=
      found.filter(({ counterexample }) => counterexample !== undefined).length - unreplayed.length;
    if (missed.length + wrong.length + unreplayed.length > 0) this.failures.push(comparison);
  }

  #count(fault: string, isHarmful: boolean): void {
    const { drawn, harmful } = this.byFault.get(fault) ?? { drawn: 0, harmful: 0 };
    this.byFault.set(fault, { drawn: drawn + 1, harmful: harmful + (isHarmful ? 1 : 0) });
  }
}
