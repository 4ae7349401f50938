import type { Node, NodeId, Resource, ResourceId } from '../graph.js';
import {
  type Access,
  type Invariant,
  nodeViolation,
  type RoundView,
  shownNode,
  shownResource,
  type VerifyContext,
  type Violation,
} from './invariant.js';
import { examples, meetingExample } from './net/example.js';
import type { Meeting } from './net/orders.js';
import { numberGraph, type Pair, unconnected } from './reach.js';

const NAME = 'no-race';

/**
 * In each round of each entry, every write of a variable is ordered against all its other reads and writes: by a path, or
 * by what goes through a buffer, a barrier or a collective. Rounds and steps of a task follow one another, so that what
 * is ordered in each is ordered in all.
 *
 * In topological order it is enough that the last write before an access reaches it, and that every read since then
 * reaches the next write: all other pairs follow from those.
 */
export const noRace: Invariant = {
  name: NAME,
  summary: 'in each round, every write of a variable is ordered against its other reads and writes',
  from: 'established',
  needs: ['edges-exist', 'acyclic', 'types-match'],
  check: (context) => {
    const byVariable = variableAccesses(context);
    if (byVariable.size === 0) return [];
    const graph = numberGraph(context.order(), context.position());
    const pairs = context.rounds().flatMap((round) => roundPairs(context, round, byVariable));
    const apart = new Set(unconnected(graph, distinct(pairs)).map(pairKey));
    const open = pairs.filter((pair) => apart.has(pairKey(pair)));
    const races = unconnected(graph, widened(context, open, byVariable)).flatMap((pair) => {
      const meeting = meetingOf(context, pair);
      return meeting === null ? [] : [{ pair, meeting }];
    });
    const detailed = examples(context.module.graph);
    return onceEach(races).map(({ pair, meeting }, i) =>
      race(context, pair, i < detailed ? meeting : 'unknown'),
    );
  },
};

/** Two accesses that must be ordered; `from` and `to` are their places in topological order. */
interface AccessPair extends Pair {
  readonly before: Access;
  readonly after: Access;
  readonly round: RoundView;
}

interface Race {
  readonly pair: AccessPair;
  readonly meeting: Meeting | 'unknown';
}

/** Accesses of one variable in a round of which all pairs are looked at. */
const MOST_ACCESSES = 200;

/**
 * Where something in the round can wait, all pairs of a variable of which one is left open: what waits may order two the
 * other way round than they stand in the order, and then says nothing of a third.
 */
function widened(
  context: VerifyContext,
  open: readonly AccessPair[],
  byVariable: ReadonlyMap<ResourceId, readonly Access[]>,
): AccessPair[] {
  const seen = new Set<string>();
  return open.flatMap((pair) => {
    const { round, before } = pair;
    const accesses = (byVariable.get(before.resource.id) ?? []).filter(({ node }) =>
      round.nodes.has(node.id),
    );
    if (!canWait(context, round) || accesses.length > MOST_ACCESSES) return [pair];
    const key = `${round.task} ${round.entry} ${round.round} ${before.resource.id}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return allPairs(context, round, accesses);
  });
}

function canWait(context: VerifyContext, { task, entry, round }: RoundView): boolean {
  const { rounds = [] } = context.net().tasks[task] ?? {};
  return rounds.some(
    ({ view, transitions }) => view.entry === entry && view.round === round && transitions.length > 0,
  );
}

function allPairs(context: VerifyContext, round: RoundView, accesses: readonly Access[]): AccessPair[] {
  return accesses.flatMap((before, i) =>
    accesses.slice(i + 1).flatMap((after): AccessPair[] => {
      const bothRead = before.effect === 'read' && after.effect === 'read';
      return bothRead || before.node === after.node ? [] : [pairOf(context, round, before, after)];
    }),
  );
}

function pairOf(context: VerifyContext, round: RoundView, before: Access, after: Access): AccessPair {
  const position = context.position();
  return { from: place(position, before.node), to: place(position, after.node), before, after, round };
}

/**
 * How the two come in either order; null where what can wait in that round orders them. Nothing is known of rounds that
 * are not part of training.
 */
function meetingOf(context: VerifyContext, { round, before, after }: AccessPair): Meeting | 'unknown' | null {
  const { rounds = [] } = context.net().tasks[round.task] ?? {};
  const at = rounds.findIndex(({ view }) => view === round);
  if (at < 0) return 'unknown';
  const orders = context.orders();
  const [first, second] = [before, after].map(({ node }) => orders.moment(round.task, at, node));
  return first === undefined || second === undefined ? 'unknown' : orders.unordered(first, second);
}

/** Reads and writes of each variable that is written at all, in topological order. */
function variableAccesses(context: VerifyContext): Map<ResourceId, Access[]> {
  const byVariable = new Map<ResourceId, Access[]>();
  const written = new Set<ResourceId>();
  for (const access of context.accesses()) {
    const { resource, effect } = access;
    if (resource.kind !== 'variable') continue;
    if (effect === 'write') written.add(resource.id);
    const list = byVariable.get(resource.id);
    if (list === undefined) byVariable.set(resource.id, [access]);
    else list.push(access);
  }
  const position = context.position();
  for (const [id, accesses] of byVariable) {
    if (written.has(id)) accesses.sort((a, b) => place(position, a.node) - place(position, b.node));
    else byVariable.delete(id);
  }
  return byVariable;
}

const place = (position: ReadonlyMap<NodeId, number>, node: Node): number => position.get(node.id) ?? 0;

function roundPairs(
  context: VerifyContext,
  round: RoundView,
  byVariable: ReadonlyMap<ResourceId, readonly Access[]>,
): AccessPair[] {
  const pairs: AccessPair[] = [];
  const add = (before: Access, after: Access): void => {
    if (before.node !== after.node) pairs.push(pairOf(context, round, before, after));
  };
  for (const accesses of byVariable.values()) {
    let write: Access | null = null;
    let reads: Access[] = [];
    for (const access of accesses) {
      if (!round.nodes.has(access.node.id)) continue;
      if (write !== null) add(write, access);
      if (access.effect === 'read') reads.push(access);
      else {
        for (const read of reads) add(read, access);
        write = access;
        reads = [];
      }
    }
  }
  return pairs;
}

const pairKey = ({ from, to }: Pair): string => `${from} ${to}`;

/** Each pair once, though several rounds may ask for it. */
function distinct(pairs: readonly AccessPair[]): AccessPair[] {
  return [...new Map(pairs.map((pair) => [pairKey(pair), pair])).values()];
}

/** Each race once, in the first of the rounds that have it. */
function onceEach(races: readonly Race[]): Race[] {
  const seen = new Set<string>();
  return races.filter(({ pair }) => seen.size < seen.add(pairKey(pair)).size);
}

function race(
  context: VerifyContext,
  { before, after, round }: AccessPair,
  meeting: Meeting | 'unknown',
): Violation {
  const variable: Resource = before.resource;
  const message =
    `in ${round.label}, ${describe(before)} and ${describe(after)} are not ordered, ` +
    `and both act on ${shownResource(variable)}`;
  const hint =
    `add the control edge ^%${before.node.id} to ${shownNode(after.node)}, ` +
    `or the other way round where no path forbids it`;
  const violation = nodeViolation(NAME, after.node, message, hint);
  if (meeting === 'unknown') return violation;
  return { ...violation, ...meetingExample(context, meeting, [before.node, after.node]) };
}

const describe = ({ node, effect }: Access): string =>
  `the ${effect} by ${shownNode(node)} (%${node.id}, ${node.op})`;
