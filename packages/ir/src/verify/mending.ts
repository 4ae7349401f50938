import type { Node } from '../graph.js';
import { shownNode, type VerifyContext } from './invariant.js';
import type { Instant, Moment } from './net/orders.js';

// Two nodes of different tasks are ordered in all steps when the one comes before the other in each step, and the other
// before the one of the next step. What is missing of that is mended by an edge to or from what already waits for
// other tasks, or else by a barrier of its own.

/** A node with what lies around it. */
export type Placed = readonly [moment: Moment, node: Node];

/** What would order two accesses of different tasks, in words. */
export function mendingOf(context: VerifyContext, a: Placed, b: Placed): string {
  const [first, second] = readFirst(a, b);
  const wanted = missing(context, first, second);
  const edges = wanted.map((gap) => edgesFor(context, gap));
  if (edges.some((found) => found === null)) {
    return `let all workers come to a barrier after ${shownNode(first[1])} and before ${shownNode(second[1])}${
      wanted.length > 1 ? ', and to another one at the end of the step' : ''
    }`;
  }
  return `add ${edges.flatMap((found) => found ?? []).join(', and ')}`;
}

/** That nodes which do not write come first in a step is what both strategies and readers expect. */
function readFirst(a: Placed, b: Placed): readonly [Placed, Placed] {
  return b[1].op === 'ReadVariableOp' ? [b, a] : [a, b];
}

/** One node that is to come before another, that many steps later. */
interface Gap {
  readonly from: Placed;
  readonly to: Placed;
  readonly later: number;
}

/** What is missing of one node coming first in each step, or, where that cannot be, of the other. */
function missing(context: VerifyContext, a: Placed, b: Placed): Gap[] {
  const plan = (from: Placed, to: Placed): Gap[] => [
    { from, to, later: 0 },
    { from: to, to: from, later: 1 },
  ];
  const open = (gaps: readonly Gap[]): Gap[] => gaps.filter((gap) => !holds(context, gap));
  const [forward, backward] = [open(plan(a, b)), open(plan(b, a))];
  return backward.length < forward.length ? backward : forward;
}

function holds(context: VerifyContext, { from, to, later }: Gap): boolean {
  const orders = context.orders();
  const [first] = orders.instants(from[0]);
  const second = orders.instants(to[0])[later];
  return first !== undefined && (second === undefined || orders.isBefore(first, second));
}

/** Edges to or from what waits already; null where there are none that would do. */
function edgesFor(context: VerifyContext, { from, to, later }: Gap): string[] | null {
  const orders = context.orders();
  const [start] = orders.instants(from[0]);
  const end = orders.instants(to[0])[later];
  if (start === undefined || end === undefined) return null;
  const waits = waitingNodes(context, to[0]).filter(({ moment }) => !isForced(context, to[0], moment));
  const arrivals = waitingNodes(context, from[0]).filter(({ moment }) => !isForced(context, moment, from[0]));
  const at = (moment: Moment, step: number): Instant =>
    orders.instants(moment)[step] ?? { moment, instance: -1 };
  const wait = waits.find(({ moment }) => orders.isBefore(start, at(moment, later)));
  const arrival = arrivals.find(({ moment }) => orders.isBefore(at(moment, 0), end));
  // What a step must have done before the next one belongs before what ends the step.
  if (arrival !== undefined && (later > 0 || wait === undefined)) return [edge(from[1], arrival.node)];
  if (wait !== undefined) return [edge(wait.node, to[1])];
  for (const first of arrivals) {
    const then = waits.find(({ moment }) => orders.isBefore(at(first.moment, 0), at(moment, later)));
    if (then !== undefined) return [edge(from[1], first.node), edge(then.node, to[1])];
  }
  return null;
}

const edge = (from: Node, to: Node): string => `the control edge ^%${from.id} to ${shownNode(to)}`;

/** Whether the first of two nodes of a round comes before the second, so that an edge the other way would be a cycle. */
function isForced(context: VerifyContext, first: Moment, second: Moment): boolean {
  const orders = context.orders();
  const [a] = orders.instants(first);
  const [b] = orders.instants(second);
  return a !== undefined && b !== undefined && orders.isBefore(a, b);
}

/** Nodes of a round that wait for other tasks, with their moments. */
function waitingNodes(context: VerifyContext, { task, round }: Moment): { node: Node; moment: Moment }[] {
  const { transitions = [] } = context.net().tasks[task]?.rounds[round] ?? {};
  return transitions.flatMap(({ nodes: [node], action }) =>
    action.kind === 'together' ? [] : [{ node, moment: context.orders().moment(task, round, node) }],
  );
}
