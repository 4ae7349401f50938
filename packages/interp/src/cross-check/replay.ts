import type { Counterexample, LinkedModule } from '@placewright/ir';
import { nodeName } from '@placewright/ir';
import type { ReadyNode } from '../cluster.js';
import { createClusterStepper } from '../stepper.js';
import { beginPrograms, goOn, type ProgramFeeds, type Programs } from './program.js';

/** Where a replayed counterexample has led. */
export interface Replay {
  /** Why it cannot be followed; null where it was, to its end. */
  readonly stuckAt: string | null;
  /** The interpreter's own error, where nothing can run then though tasks have not ended; null where something can. */
  readonly deadlock: Error | null;
  /** What may run then. */
  readonly ready: readonly ReadyNode[];
}

/** Leads the interpreter along a counterexample; entries that are fed need `feeds`. Throws PW_FEED_*, PW_KERNEL_MISSING. */
export function replay(linked: LinkedModule, { steps, order }: Counterexample, feeds?: ProgramFeeds): Replay {
  let programs = beginPrograms(createClusterStepper(linked), steps, feeds);
  for (const name of order) {
    const choice = choiceOf(linked, programs, name);
    if (choice < 0) return { stuckAt: name, deadlock: null, ready: programs.stepper.ready() };
    programs.stepper.fire(choice);
    programs = goOn(programs);
  }
  const { stepper } = programs;
  const ready = stepper.ready();
  const deadlock = ready.length === 0 && !stepper.finished ? stepper.deadlock() : null;
  return { stuckAt: null, deadlock, ready };
}

/** The item that a name stands for: at a barrier any of its parties. */
function choiceOf({ module }: LinkedModule, { stepper }: Programs, name: string): number {
  const ready = stepper.ready();
  const exact = ready.findIndex(({ node }) => nodeName(node) === name);
  if (exact >= 0) return exact;
  return ready.findIndex(({ node }) => {
    if (node.op !== 'Barrier') return false;
    const parties = [...module.graph.nodes.values()].filter(
      ({ op, resources }) => op === 'Barrier' && resources[0] === node.resources[0],
    );
    return parties.some((party) => nodeName(party) === name);
  });
}
