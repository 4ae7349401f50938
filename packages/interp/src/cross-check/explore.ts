import type { LinkedModule, Node, PermittedSkew, ResourceId } from '@placewright/ir';
import type { ReadyNode } from '../cluster.js';
import { createClusterStepper } from '../stepper.js';
import { allDone, beginPrograms, copyPrograms, goOn, keyOfPrograms, type Programs } from './program.js';

/** What was found in all schedules of a cluster. */
export interface Findings {
  /** Some schedule ends in a state in which nothing can run. */
  readonly hangs: boolean;
  /** In some state two nodes may run next that act on one variable, in either order. */
  readonly races: boolean;
  /** In some state a get from a staging area finds it empty. */
  readonly unfilled: boolean;
  readonly states: number;
}

export interface ExploreOptions {
  readonly steps: number;
  readonly mostStates: number;
  readonly skew: PermittedSkew;
  /** What is looked for: where races are not, accesses of variables run as soon as they can. */
  readonly races: boolean;
}

/**
 * Runs all schedules of a linked cluster on the interpreter. What acts on no resource changes nothing for the others and
 * is run as soon as it can; of all else every order is tried, states that were reached before left out. Null when there
 * are more states than were to be looked at.
 */
export function explore(linked: LinkedModule, options: ExploreOptions): Findings | null {
  const seen = new Set<string>();
  const found = { hangs: false, races: false, unfilled: false };
  const open: Programs[] = [beginPrograms(createClusterStepper(linked), options.steps)];
  for (let begun = open.pop(); begun !== undefined; begun = open.pop()) {
    const state = ranCalm(begun, options.races);
    const key = keyOfPrograms(state);
    if (seen.has(key)) continue;
    if (seen.size === options.mostStates) return null;
    seen.add(key);
    const ready = state.stepper.ready();
    if (ready.length === 0 && !allDone(state)) found.hangs = true;
    if (options.races && hasRace(ready, options.skew)) found.races = true;
    if (state.stepper.waiting().some(({ node }) => node.op === 'Unstage')) found.unfilled = true;
    for (const choice of ready.keys()) {
      // The state itself serves the last choice.
      const next = choice < ready.length - 1 ? copyPrograms(state) : state;
      next.stepper.fire(choice);
      open.push(goOn(next));
    }
  }
  return { ...found, states: seen.size };
}

/** Runs what nobody else can notice, as far as it goes. */
function ranCalm(programs: Programs, races: boolean): Programs {
  let state = programs;
  for (;;) {
    const { stepper } = state;
    const calm = stepper
      .ready()
      .findIndex(({ node }) => node.resources.length === 0 || (!races && variableOf(node) !== null));
    if (calm < 0) return state;
    stepper.fire(calm);
    state = goOn(state);
  }
}

const ACCESSES: ReadonlyMap<string, 'read' | 'update' | 'write'> = new Map([
  ['ReadVariableOp', 'read'],
  ['AssignAddVariableOp', 'update'],
  ['AssignVariableOp', 'write'],
]);

function variableOf({ op, resources }: Node): ResourceId | null {
  return ACCESSES.has(op) ? (resources[0] ?? null) : null;
}

function hasRace(ready: readonly ReadyNode[], skew: PermittedSkew): boolean {
  return ready.some((a, i) => ready.slice(i + 1).some((b) => areRacing(a, b, skew)));
}

/** Whether two that may run next may not be left to the schedule. */
export function areRacing(a: ReadyNode, b: ReadyNode, skew: PermittedSkew): boolean {
  const variable = variableOf(a.node);
  if (variable === null || variable !== variableOf(b.node)) return false;
  const kinds = [ACCESSES.get(a.node.op), ACCESSES.get(b.node.op)];
  const both = (kind: string): boolean => kinds.every((each) => each === kind);
  if (both('read')) return false;
  if (a.task === b.task || kinds.includes('write')) return true;
  const permitted = skew === 'otherWorkers' && a.entry === 'step' && b.entry === 'step';
  return !both('update') && !permitted;
}
