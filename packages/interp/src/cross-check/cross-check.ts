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

/** Draws the cluster of a seed and compares; null where it has too many states. */
export function compareCluster(seed: number): Comparison | null {
  const spec = drawCluster(seed);
  const linked = buildCluster(spec);
  const truth = truthOf(linked);
  if (truth === null) return null;
  const found = verifyLinked(linked, builtinRegistry, { only: Object.keys(INVARIANTS) });
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
