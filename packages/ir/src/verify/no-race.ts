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
    const pairs = distinct(context.rounds().flatMap((round) => roundPairs(context, round, byVariable)));
    const graph = numberGraph(context.order(), context.position());
    const races = unconnected(graph, pairs).flatMap((pair) => {
      const meeting = meetingOf(context, pair);
      return meeting === null ? [] : [{ pair, meeting }];
    });
    const detailed = examples(context.module.graph);
    return races.map(({ pair, meeting }, i) => race(context, pair, i < detailed ? meeting : 'unknown'));
  },
};

/** Two accesses that must be ordered; `from` and `to` are their places in topological order. */
interface AccessPair extends Pair {
  readonly before: Access;
  readonly after: Access;
  readonly round: RoundView;
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
  const position = context.position();
  const pairs: AccessPair[] = [];
  const add = (before: Access, after: Access): void => {
    if (before.node === after.node) return;
    const [from, to] = [place(position, before.node), place(position, after.node)];
    pairs.push({ from, to, before, after, round });
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

/** Each pair once, though several rounds may ask for it. */
function distinct(pairs: readonly AccessPair[]): AccessPair[] {
  const seen = new Map<string, AccessPair>();
  for (const pair of pairs) {
    const key = `${pair.from} ${pair.to}`;
    if (!seen.has(key)) seen.set(key, pair);
  }
  return [...seen.values()];
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
