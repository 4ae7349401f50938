import {
  ancestors,
  type Graph,
  type GraphEditor,
  type Node,
  type NodeId,
  numberEdges,
  predecessors,
  type ResourceId,
  subgraph,
  type Why,
} from '@placewright/ir';

/**
 * Makes the warm-up that fills the staging areas of the step, from what puts into them: run again whenever an area has
 * been added. Areas that are filled from nothing staged come in the first round, those that are filled from what was
 * got from them in the second, and so on; each round fills again what it takes from.
 */
export function setWarmUp(editor: GraphEditor, why: Why): void {
  const targets = editor.entries.step?.rounds.flat() ?? [];
  const rounds = warmUpRounds(editor.graph, targets);
  if (rounds.length === 0) return;
  const needed = ancestors(editor.graph, rounds.flat());
  const feeds = (editor.entries.step?.feeds ?? []).filter(({ node }) => needed.has(node));
  editor.setEntry({ name: 'warmUp', feeds, fetches: [], rounds }, why);
}

/**
 * What to run so that every staging area that one of the targets puts into holds one value. Areas that feed each other
 * are left out, and what they feed: nothing can fill them, which the verifier reports.
 */
export function warmUpRounds(graph: Graph, targets: readonly NodeId[]): NodeId[][] {
  const puts = new Map<ResourceId, NodeId>();
  for (const id of targets) {
    const area = areaOf(graph.nodes.get(id), 'Stage');
    if (area !== undefined) puts.set(area, id);
  }
  if (puts.size === 0) return [];
  const order = fillingOrder(graph, puts);
  const tiers = areaTiers(order, puts);
  const last = [...tiers.values()].reduce((most, tier) => Math.max(most, tier), 0);
  const rounds = Array.from({ length: last }, (): NodeId[] => []);
  for (let from = 0; from < last; from += BITS) {
    const filled = filledIn(order, puts, tiers, from);
    for (const [area, put] of puts) {
      const bits = filled.get(area) ?? 0;
      for (let i = from; i < Math.min(last, from + BITS); i++) {
        if (((bits >>> (i - from)) & 1) === 1) rounds[i]?.push(put);
      }
    }
  }
  return rounds;
}

/** Rounds that one walk over the graph settles, one for each bit of a number. */
const BITS = 32;

/** All that filling the areas needs, each put before what is got of its area; what never can run is left out. */
function fillingOrder(graph: Graph, puts: ReadonlyMap<ResourceId, NodeId>): Node[] {
  const needed = subgraph(graph, ancestors(graph, puts.values()));
  const nodes = new Map<NodeId, Node>();
  for (const node of needed.nodes.values()) {
    const put = at(puts, areaOf(node, 'Unstage'));
    nodes.set(node.id, put === undefined ? node : { ...node, controls: [...node.controls, put] });
  }
  const edges = numberEdges({ nodes });
  const waiting = edges.incoming.slice();
  const ready: number[] = [];
  waiting.forEach((count, i) => {
    if (count === 0) ready.push(i);
  });
  for (const i of ready) {
    const end = edges.starts[i + 1] ?? 0;
    for (let edge = edges.starts[i] ?? 0; edge < end; edge++) {
      const after = edges.next[edge] ?? 0;
      const left = (waiting[after] ?? 0) - 1;
      waiting[after] = left;
      if (left === 0) ready.push(after);
    }
  }
  // The nodes as they are in the graph, without the edges that only order them here.
  const found = [...needed.nodes.values()];
  return ready.flatMap((i) => found[i] ?? []);
}

/** The tier of each area: 1 where no other area is needed to fill it, else one more than the last of those. */
function areaTiers(
  order: readonly Node[],
  puts: ReadonlyMap<ResourceId, NodeId>,
): ReadonlyMap<ResourceId, number> {
  const tiers = new Map<ResourceId, number>();
  const depths = new Map<NodeId, number>();
  for (const node of order) {
    const got = at(tiers, areaOf(node, 'Unstage')) ?? 0;
    const depth = predecessors(node).reduce((most, id) => Math.max(most, depths.get(id) ?? 0), got);
    depths.set(node.id, depth);
    const area = areaOf(node, 'Stage');
    if (area !== undefined && puts.get(area) === node.id) tiers.set(area, depth + 1);
  }
  return tiers;
}

/** For each area, the rounds from `from` on that fill it, a bit for each: its own, and those that take from it. */
function filledIn(
  order: readonly Node[],
  puts: ReadonlyMap<ResourceId, NodeId>,
  tiers: ReadonlyMap<ResourceId, number>,
  from: number,
): ReadonlyMap<ResourceId, number> {
  const filled = new Map<ResourceId, number>();
  for (const [area, tier] of tiers) {
    const bit = tier - 1 - from;
    filled.set(area, bit >= 0 && bit < BITS ? 1 << bit : 0);
  }
  const needed = new Map<NodeId, number>();
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i];
    if (node === undefined) continue;
    const put = areaOf(node, 'Stage');
    const own = at(puts, put) === node.id ? (at(filled, put) ?? 0) : 0;
    const bits = (needed.get(node.id) ?? 0) | own;
    if (bits === 0) continue;
    for (const id of predecessors(node)) needed.set(id, (needed.get(id) ?? 0) | bits);
    const got = areaOf(node, 'Unstage');
    if (got !== undefined && puts.has(got)) filled.set(got, (filled.get(got) ?? 0) | bits);
  }
  return filled;
}

function areaOf(node: Node | undefined, op: 'Stage' | 'Unstage'): ResourceId | undefined {
  return node?.op === op ? node.resources[0] : undefined;
}

function at<V>(map: ReadonlyMap<ResourceId, V>, area: ResourceId | undefined): V | undefined {
  return area === undefined ? undefined : map.get(area);
}
