import { PlacewrightError } from '../errors.js';
import type { Graph, Node, NodeId } from '../graph.js';
import { cyclicComponents, MAX_COMPONENT_NODES } from '../graphlib-adapter.js';
import { nodeOf, predecessors, subgraph, topologicalOrder } from '../traverse.js';
import { type Invariant, nodeViolation, type Violation } from './invariant.js';

const NAME = 'acyclic';

/** No chain of data and control edges comes back to its start. One violation for each knot of cycles. */
export const acyclic: Invariant = {
  name: NAME,
  summary: 'no chain of data and control edges comes back to its start',
  from: 'always',
  needs: ['edges-exist'],
  check: (context) => {
    try {
      context.order();
      return [];
    } catch (error) {
      if (!(error instanceof PlacewrightError) || error.code !== 'PW_CYCLE') throw error;
      return knots(context.module.graph);
    }
  },
};

function knots(graph: Graph): Violation[] {
  const left = peel(graph);
  const ids = [...left];
  // Beyond what graphlib can take one cycle is enough to go on with.
  if (ids.length > MAX_COMPONENT_NODES) return [knot(graph, ids)];
  const edges = ids.flatMap((id) =>
    predecessors(nodeOf(graph, id)).map((before): [NodeId, NodeId] => [before, id]),
  );
  return cyclicComponents({ ids, edges }).map((component) => knot(graph, component));
}

function knot(graph: Graph, ids: readonly NodeId[]): Violation {
  const part = subgraph(graph, new Set(ids));
  try {
    topologicalOrder(part);
  } catch (error) {
    const first = ids[0];
    if (error instanceof PlacewrightError && first !== undefined) {
      return nodeViolation(NAME, nodeOf(graph, first), error.message, error.hint);
    }
    throw error;
  }
  throw new PlacewrightError('PW_INTERNAL_CYCLE', 'a cycle was lost while it was looked for', {
    kind: 'internal',
  });
}

/** What is left after all nodes without predecessors or without successors have been taken away, again and again. */
function peel(graph: Graph): Set<NodeId> {
  const left = new Set(graph.nodes.keys());
  const before = new Map<NodeId, NodeId[]>();
  const after = new Map<NodeId, NodeId[]>();
  for (const node of graph.nodes.values()) {
    before.set(node.id, distinct(node));
    for (const id of distinct(node)) append(after, id, node.id);
  }
  take(left, before, after);
  take(left, after, before);
  return left;
}

const distinct = (node: Node): NodeId[] => [...new Set(predecessors(node))];

function append(lists: Map<NodeId, NodeId[]>, key: NodeId, id: NodeId): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [id]);
  else list.push(id);
}

/** Takes away nodes that wait for none of those left, and then those that waited only for them. */
function take(
  left: Set<NodeId>,
  waitsFor: ReadonlyMap<NodeId, readonly NodeId[]>,
  releases: ReadonlyMap<NodeId, readonly NodeId[]>,
): void {
  const open = new Map<NodeId, number>();
  for (const id of left) open.set(id, (waitsFor.get(id) ?? []).filter((other) => left.has(other)).length);
  const ready = [...left].filter((id) => open.get(id) === 0);
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    left.delete(id);
    for (const next of releases.get(id) ?? []) {
      const count = (open.get(next) ?? 0) - 1;
      open.set(next, count);
      if (count === 0) ready.push(next);
    }
  }
}
