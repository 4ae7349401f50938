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
import { numberGraph, type Pair, unconnected } from './reach.js';

const NAME = 'no-race';

/**
 * In each round of each entry, a path orders every write of a variable against all its other reads and writes.
 *
 * In topological order it is enough that the last write before an access reaches it, and that every read since then
 * reaches the next write: all other pairs follow from those.
 */
export const noRace: Invariant = {
  name: NAME,
  summary: 'in each round, every write of a variable is ordered against its other reads and writes',
  from: 'established',
  needs: ['edges-exist', 'acyclic'],
  check: (context) => {
    const byVariable = variableAccesses(context);
    if (byVariable.size === 0) return [];
    const pairs = distinct(context.rounds().flatMap((round) => roundPairs(context, round, byVariable)));
    const graph = numberGraph(context.order(), context.position());
    return unconnected(graph, pairs).map(race);
  },
};

/** Two accesses that a path must order; `from` and `to` are their places in topological order. */
interface AccessPair extends Pair {
  readonly before: Access;
  readonly after: Access;
  readonly round: string;
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
  { nodes, label }: RoundView,
  byVariable: ReadonlyMap<ResourceId, readonly Access[]>,
): AccessPair[] {
  const position = context.position();
  const pairs: AccessPair[] = [];
  const add = (before: Access, after: Access): void => {
    if (before.node === after.node) return;
    const [from, to] = [place(position, before.node), place(position, after.node)];
    pairs.push({ from, to, before, after, round: label });
  };
  for (const accesses of byVariable.values()) {
    let write: Access | null = null;
    let reads: Access[] = [];
    for (const access of accesses) {
      if (!nodes.has(access.node.id)) continue;
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

function race({ before, after, round }: AccessPair): Violation {
  const variable: Resource = before.resource;
  const message =
    `in ${round}, ${describe(before)} and ${describe(after)} are not ordered, ` +
    `and both act on ${shownResource(variable)}`;
  const hint =
    `add the control edge ^%${before.node.id} to ${shownNode(after.node)}, ` +
    `or the other way round where no path forbids it`;
  return nodeViolation(NAME, after.node, message, hint);
}

const describe = ({ node, effect }: Access): string =>
  `the ${effect} by ${shownNode(node)} (%${node.id}, ${node.op})`;
