import type { Node } from '../../graph.js';
import type { Counterexample, VerifyContext } from '../invariant.js';
import { addBits, noBits } from './bits.js';
import { expandRun } from './expand.js';
import type { Instant } from './orders.js';
import { runNet } from './run.js';

/** A node in one of its task's rounds. */
export type NodeInstant = readonly [instant: Instant, node: Node];

/** What runs until two nodes that are not ordered may both run. */
export function raceExample(context: VerifyContext, a: NodeInstant, b: NodeInstant): Counterexample {
  const [[first], [second]] = [a, b];
  const together = first.moment.task === second.moment.task && first.instance === second.instance;
  const blocked = noBits(first.moment.after.length * 32);
  addBits(blocked, first.moment.after);
  if (together) addBits(blocked, second.moment.after);
  const freezes = [
    { task: first.moment.task, instance: first.instance, blocked },
    ...(together ? [] : [freezeOf(second)]),
  ];
  const run = runNet(context.net(), { steps: 3, roomy: true, record: true, freezes });
  return expandRun(
    context,
    run,
    [a, b].map(([{ moment, instance }, node]) => ({ task: moment.task, instance, node })),
  );
}

function freezeOf({ moment, instance }: Instant) {
  return { task: moment.task, instance, blocked: moment.after };
}
