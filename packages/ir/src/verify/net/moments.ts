import type { NodeId } from '../../graph.js';
import type { VerifyContext } from '../invariant.js';
import { once } from '../once.js';
import { addBits, type Bits, noBits, setBit } from './bits.js';
import { type Few, nearestAfter, nearestBefore, roundGraph } from './flow.js';
import type { NetRound, SyncNet } from './net.js';

/** What lies around a node of a round: all transitions before and after it, itself among both where it is one. */
export interface Around {
  readonly before: Bits;
  readonly after: Bits;
  /** Those past no other one. */
  readonly near: readonly number[];
}

export type Sides = (task: number, round: number, node: NodeId) => Around;

const NOTHING: Around = { before: noBits(0), after: noBits(0), near: [] };

export function sidesIn(context: VerifyContext, { tasks }: SyncNet): Sides {
  const found = tasks.map(({ rounds }) => rounds.map((round) => once(() => sidesOf(context, round))));
  return (task, round, node) => found[task]?.[round]?.()(node) ?? NOTHING;
}

function sidesOf(context: VerifyContext, round: NetRound): (node: NodeId) => Around {
  const count = round.transitions.length;
  if (count === 0) return () => NOTHING;
  const graph = roundGraph(context.order(), context.position(), round.view.nodes);
  const marks = Int32Array.from(graph.nodes, ({ id }) => round.transitionOf.get(id) ?? -1);
  const back = nearestBefore(graph, marks, count);
  const forth = nearestAfter(graph, marks, count);
  const after = transposed(round.before());
  return (id) => {
    const own = round.transitionOf.get(id);
    const at = graph.index.get(id) ?? -1;
    const [first, then] = own === undefined ? [back[at] ?? [], forth[at] ?? []] : [[own], [own]];
    return { before: reachOf(first, round.before()), after: reachOf(then, after), near: [...first, ...then] };
  };
}

/** Some transitions, and all that lie on one side of them. */
function reachOf(transitions: Few, beyond: readonly Bits[]): Bits {
  const bits = noBits(beyond.length);
  for (const transition of transitions) {
    setBit(bits, transition);
    addBits(bits, beyond[transition] ?? noBits(0));
  }
  return bits;
}

function transposed(before: readonly Bits[]): Bits[] {
  const after = before.map(() => noBits(before.length));
  before.forEach((bits, then) => {
    bits.forEach((word, w) => {
      for (let left = word; left !== 0; left &= left - 1) {
        const first = w * 32 + 31 - Math.clz32(left & -left);
        setBit(after[first] as Bits, then);
      }
    });
  });
  return after;
}
