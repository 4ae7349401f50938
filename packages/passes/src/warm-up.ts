import {
  ancestors,
  type Graph,
  type GraphEditor,
  type Node,
  type NodeId,
  predecessors,
  type ResourceId,
  subgraph,
  topologicalOrder,
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

/** What to run so that every staging area that one of the targets puts into holds one value. */
export function warmUpRounds(graph: Graph, targets: readonly NodeId[]): NodeId[][] {
  const puts = new Map<ResourceId, NodeId>();
  for (const id of targets) {
    const area = areaOf(graph.nodes.get(id), 'Stage');
    if (area !== undefined) puts.set(area, id);
  }
  const tiers = areaTiers(graph, puts);
  const last = Math.max(0, ...tiers.values());
  return Array.from({ length: last }, (_, i) => {
    const running = new Set([...puts.keys()].filter((area) => tiers.get(area) === i + 1));
    refill(graph, puts, running);
    return [...puts].flatMap(([area, put]) => (running.has(area) ? [put] : []));
  });
}

/** The tier of each area: 1 where no other area is needed to fill it, else one more than the last of those. */
function areaTiers(graph: Graph, puts: ReadonlyMap<ResourceId, NodeId>): Map<ResourceId, number> {
  const order = topologicalOrder(subgraph(graph, ancestors(graph, [...puts.values()])));
  const tiers = new Map([...puts.keys()].map((area) => [area, 1]));
  // Each turn settles one tier more. Areas that feed each other would never settle: the verifier reports them.
  for (let turn = 0; turn < puts.size; turn++) {
    const depths = new Map<NodeId, number>();
    let settled = true;
    for (const node of order) {
      const depth = Math.max(gotTier(node, tiers), ...predecessors(node).map((id) => depths.get(id) ?? 0));
      depths.set(node.id, depth);
      const area = areaOf(node, 'Stage');
      if (area === undefined || tiers.get(area) === depth + 1) continue;
      tiers.set(area, depth + 1);
      settled = false;
    }
    if (settled) break;
  }
  return tiers;
}

function gotTier(node: Node, tiers: ReadonlyMap<ResourceId, number>): number {
  const area = areaOf(node, 'Unstage');
  return area === undefined ? 0 : (tiers.get(area) ?? 0);
}

/** Adds the areas that filling the others takes from. */
function refill(graph: Graph, puts: ReadonlyMap<ResourceId, NodeId>, running: Set<ResourceId>): void {
  for (let before = -1; before < running.size; ) {
    before = running.size;
    const targets = [...running].flatMap((area) => puts.get(area) ?? []);
    for (const id of ancestors(graph, targets)) {
      const area = areaOf(graph.nodes.get(id), 'Unstage');
      if (area !== undefined && puts.has(area)) running.add(area);
    }
  }
}

function areaOf(node: Node | undefined, op: 'Stage' | 'Unstage'): ResourceId | undefined {
  return node?.op === op ? node.resources[0] : undefined;
}
