import { PlacewrightError } from './errors.js';
import { type Entry, type Graph, type Module, type Node, type NodeId, nodeName } from './graph.js';

/** The node with that id. Throws PW_DANGLING_EDGE. */
export function nodeOf(graph: Graph, id: NodeId): Node {
  const node = graph.nodes.get(id);
  if (node === undefined) throw new PlacewrightError('PW_DANGLING_EDGE', `there is no node ${id}`);
  return node;
}

/** Ids that must run before a node: its inputs' producers, then its control predecessors; repeats possible. */
export function predecessors(node: Node): NodeId[] {
  return [...node.inputs.map(({ node: id }) => id), ...node.controls];
}

/** For every node, the nodes that depend on it (by data or control), each once. */
export function successors(graph: Graph): Map<NodeId, NodeId[]> {
  const out = new Map<NodeId, NodeId[]>();
  for (const id of graph.nodes.keys()) out.set(id, []);
  for (const node of graph.nodes.values()) {
    for (const before of new Set(predecessors(node))) out.get(before)?.push(node.id);
  }
  return out;
}

/** Edges between nodes by number: what follows node i is `next[starts[i]]` up to, not including, `next[starts[i + 1]]`. */
export interface NumberedEdges {
  readonly nodes: readonly Node[];
  readonly starts: Int32Array;
  readonly next: Int32Array;
  /** Edges that come into each node, repeats counted. */
  readonly incoming: Int32Array;
}

function forEachPredecessor(node: Node, visit: (id: NodeId) => void): void {
  for (const { node: id } of node.inputs) visit(id);
  for (const id of node.controls) visit(id);
}

/** The graph's edges by number, nodes in order of insertion. An edge that is there twice is there twice. */
export function numberEdges(graph: Graph): NumberedEdges {
  const nodes = [...graph.nodes.values()];
  const numbers = new Map<NodeId, number>();
  nodes.forEach((node, i) => {
    numbers.set(node.id, i);
  });
  const incoming = new Int32Array(nodes.length);
  const starts = new Int32Array(nodes.length + 1);
  const from: number[] = [];
  nodes.forEach((node, i) => {
    forEachPredecessor(node, (id) => {
      const before = numbers.get(id);
      // A missing node is for `edges-exist` to report.
      if (before === undefined) return;
      from.push(before);
      incoming[i] = (incoming[i] ?? 0) + 1;
      starts[before + 1] = (starts[before + 1] ?? 0) + 1;
    });
  });
  for (let i = 0; i < nodes.length; i++) starts[i + 1] = (starts[i + 1] ?? 0) + (starts[i] ?? 0);
  const next = new Int32Array(from.length);
  const free = starts.slice();
  let edge = 0;
  incoming.forEach((count, i) => {
    for (const end = edge + count; edge < end; edge++) {
      const before = from[edge] ?? 0;
      const at = free[before] ?? 0;
      next[at] = i;
      free[before] = at + 1;
    }
  });
  return { nodes, starts, next, incoming };
}

/**
 * Nodes in an order in which every edge goes forward (Kahn 1962), iterative, ties by order of insertion.
 * Throws PW_CYCLE with the names along a cycle.
 */
export function topologicalOrder(graph: Graph, edges: NumberedEdges = numberEdges(graph)): Node[] {
  const { nodes, starts, next, incoming } = edges;
  const waiting = incoming.slice();
  const order: number[] = [];
  waiting.forEach((count, i) => {
    if (count === 0) order.push(i);
  });
  for (let done = 0; done < order.length; done++) {
    const i = order[done] ?? 0;
    const end = starts[i + 1] ?? 0;
    for (let edge = starts[i] ?? 0; edge < end; edge++) {
      const after = next[edge] ?? 0;
      const left = (waiting[after] ?? 0) - 1;
      waiting[after] = left;
      if (left === 0) order.push(after);
    }
  }
  if (order.length < nodes.length) {
    throw cycleError(graph, new Map(nodes.map(({ id }, i) => [id, waiting[i] ?? 0])));
  }
  return order.flatMap((i) => nodes[i] ?? []);
}

function cycleError(graph: Graph, waiting: ReadonlyMap<NodeId, number>): PlacewrightError {
  const names = findCycle(graph, waiting).map((id) => nodeName(nodeOf(graph, id)));
  const shown = names.length > 8 ? [...names.slice(0, 7), '…', names.at(-1) ?? ''] : names;
  return new PlacewrightError('PW_CYCLE', `the graph has a cycle: ${shown.join(' → ')}`, {
    where: { node: names[0] ?? '' },
    hint: 'remove one of these edges; state that goes around belongs in a variable or a staging area',
  });
}

/** Walks backwards among the nodes that never became ready: each has such a predecessor, so a node must come again. */
function findCycle(graph: Graph, waiting: ReadonlyMap<NodeId, number>): NodeId[] {
  const stuck = (id: NodeId): boolean => (waiting.get(id) ?? 0) > 0;
  let at = [...graph.nodes.keys()].find(stuck);
  const seenAt = new Map<NodeId, number>();
  const path: NodeId[] = [];
  while (at !== undefined && !seenAt.has(at)) {
    seenAt.set(at, path.length);
    path.push(at);
    at = predecessors(nodeOf(graph, at)).find(stuck);
  }
  const cycle = at === undefined ? path : path.slice(seenAt.get(at) ?? 0);
  return [...cycle].reverse().concat(cycle.at(-1) ?? []);
}

/** Ids of the given nodes and all that they depend on, iterative. */
export function ancestors(graph: Graph, roots: Iterable<NodeId>): Set<NodeId> {
  const seen = new Set<NodeId>(roots);
  for (const id of seen) {
    const node = graph.nodes.get(id);
    if (node !== undefined) forEachPredecessor(node, (before) => seen.add(before));
  }
  return seen;
}

/** What one round of an entry runs: ids of its targets, of its fetches if it is the last round, and of all they need. */
export function roundNodes(module: Module, entry: Entry, round: number): Set<NodeId> {
  const roots: NodeId[] = [...(entry.rounds[round] ?? [])];
  if (round === entry.rounds.length - 1) roots.push(...entry.fetches.map(({ tensor }) => tensor.node));
  return ancestors(module.graph, roots);
}

/** Everything that an entry runs in any round. */
export function entryNodes(module: Module, entry: Entry): Set<NodeId> {
  return ancestors(module.graph, [...entry.rounds.flat(), ...entry.fetches.map(({ tensor }) => tensor.node)]);
}

/** The part of the graph with these ids, in the same order. */
export function subgraph(graph: Graph, ids: ReadonlySet<NodeId>): Graph {
  const nodes = new Map<NodeId, Node>();
  for (const [id, node] of graph.nodes) if (ids.has(id)) nodes.set(id, node);
  return { nodes };
}
