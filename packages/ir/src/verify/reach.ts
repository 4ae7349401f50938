import type { Node, NodeId } from '../graph.js';
import { predecessors } from '../traverse.js';

/** A graph by numbers: nodes in topological order, each with the places of its predecessors. */
export interface NumberedGraph {
  /** Predecessors of node i are `edges[starts[i]]` up to, not including, `edges[starts[i + 1]]`. */
  readonly starts: Int32Array;
  readonly edges: Int32Array;
}

/** Two places in topological order, the first before the second. */
export interface Pair {
  readonly from: number;
  readonly to: number;
}

export function numberGraph(order: readonly Node[], position: ReadonlyMap<NodeId, number>): NumberedGraph {
  const starts = new Int32Array(order.length + 1);
  const edges: number[] = [];
  order.forEach((node, i) => {
    for (const id of predecessors(node)) edges.push(position.get(id) ?? i);
    starts[i + 1] = edges.length;
  });
  return { starts, edges: Int32Array.from(edges) };
}

/**
 * The pairs that no path connects. Direct edges are looked at first; the other pairs are settled 32 sources at a time,
 * one bit each, carried along the edges once: (edges between the pairs) × (sources / 32) steps at the worst.
 */
export function unconnected<P extends Pair>(graph: NumberedGraph, pairs: readonly P[]): P[] {
  const open = pairs.filter((pair) => !hasEdge(graph, pair));
  const bySource = new Map<number, P[]>();
  for (const pair of open) {
    const list = bySource.get(pair.from);
    if (list === undefined) bySource.set(pair.from, [pair]);
    else list.push(pair);
  }
  const sources = [...bySource.keys()].sort((a, b) => a - b);
  const reached = new Int32Array(graph.starts.length);
  const out: P[] = [];
  for (let i = 0; i < sources.length; i += 32) {
    const batch = sources.slice(i, i + 32);
    out.push(...unconnectedOf(graph, batch, bySource, reached));
  }
  return out;
}

function hasEdge({ starts, edges }: NumberedGraph, { from, to }: Pair): boolean {
  const end = starts[to + 1] ?? 0;
  for (let e = starts[to] ?? 0; e < end; e++) if (edges[e] === from) return true;
  return false;
}

/** As `unconnected`, for the pairs of up to 32 sources in ascending order. `reached` is scratch, one word a node. */
function unconnectedOf<P extends Pair>(
  { starts, edges }: NumberedGraph,
  sources: readonly number[],
  bySource: ReadonlyMap<number, readonly P[]>,
  reached: Int32Array,
): P[] {
  const first = sources[0] ?? 0;
  const pairs = sources.flatMap((source) => bySource.get(source) ?? []);
  const last = pairs.reduce((most, { to }) => Math.max(most, to), first);
  reached.fill(0, first, last + 1);
  sources.forEach((source, bit) => {
    reached[source] = 1 << bit;
  });
  for (let i = first; i <= last; i++) {
    let bits = reached[i] ?? 0;
    const end = starts[i + 1] ?? 0;
    for (let e = starts[i] ?? 0; e < end; e++) {
      const from = edges[e] ?? 0;
      if (from >= first) bits |= reached[from] ?? 0;
    }
    reached[i] = bits;
  }
  return pairs.filter(({ from, to }) => ((reached[to] ?? 0) & (1 << sources.indexOf(from))) === 0);
}
