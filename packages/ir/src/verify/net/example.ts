import type { Graph, Node } from '../../graph.js';
import type { Counterexample, VerifyContext, Violation } from '../invariant.js';
import { expandRun } from './expand.js';
import type { Meeting } from './orders.js';

/** How many counterexamples a graph gets: each is as long as its steps. */
export function examples({ nodes }: Graph): number {
  return Math.max(3, Math.floor(20_000 / (nodes.size + 1)));
}

/** What runs until two nodes that are not ordered may both run; nothing where that is not known. */
export function meetingExample(
  context: VerifyContext,
  { at, run }: Meeting,
  nodes: readonly [Node, Node],
): Pick<Violation, 'counterexample'> {
  if (run === null) return {};
  const held = at.map(({ moment, instance }, i) => ({ task: moment.task, instance, node: nodes[i] as Node }));
  const counterexample: Counterexample = expandRun(context, run, held);
  return { counterexample };
}
