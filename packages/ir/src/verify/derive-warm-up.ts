import type { Module, Node, NodeId, ResourceId } from '../graph.js';
import { ancestors, predecessors, subgraph, topologicalOrder } from '../traverse.js';
import { numberGraph, unconnected } from './reach.js';

/** What fills the staging areas before the first step. */
export interface WarmUp {
  /** Puts of each round, in the order of the graph. */
  readonly rounds: readonly (readonly NodeId[])[];
  /** Tuples that each area of the step must hold when a step begins: 1, or 0 where a step gets what it has just put. */
  readonly levels: ReadonlyMap<ResourceId, number>;
  /** Areas that nothing can fill: what is put into them is, directly or not, what was got from them. */
  readonly unfillable: readonly ResourceId[];
}

/** Who puts into a staging area in a step, and who gets from it. */
export interface AreaUse {
  readonly put: NodeId | null;
  readonly get: NodeId | null;
}

/** Staging areas by what nodes do to them, in the order of the graph. */
export function areaUses(
  module: Pick<Module, 'graph' | 'resources'>,
  running: Iterable<NodeId>,
): Map<ResourceId, AreaUse> {
  const uses = new Map<ResourceId, AreaUse>();
  const ids = running instanceof Set ? running : new Set(running);
  for (const { id, op, resources } of module.graph.nodes.values()) {
    const [area] = resources;
    if (area === undefined || !ids.has(id) || module.resources.get(area)?.kind !== 'stagingArea') continue;
    const { put, get } = uses.get(area) ?? { put: null, get: null };
    uses.set(area, op === 'Unstage' ? { put, get: get ?? id } : { put: put ?? id, get });
  }
  return uses;
}

/**
 * Derives the warm-up from the graph of a step with these targets. A step gets from an area what an earlier one put, so
 * each must hold a tuple when the first step begins, unless the step itself puts before it gets. What is put may in
 * turn have been computed from what was got from other areas: these are filled in a round before, and again in the
 * round that takes from them. So an area is of tier 1 where it is filled from none, and else of one more than the last
 * of those that it is filled from, and round i fills the areas of tier i.
 */
export function deriveWarmUp(module: Pick<Module, 'graph' | 'resources'>, targets: Iterable<NodeId>): WarmUp {
  const running = ancestors(module.graph, targets);
  const uses = areaUses(module, running);
  const order = topologicalOrder(subgraph(module.graph, running));
  const levels = levelsOf(order, uses);
  const needed = new Map(
    [...uses].flatMap(([area, { put }]) =>
      put !== null && levels.get(area) === 1 ? [[area, put] as const] : [],
    ),
  );
  const sources = areaSources(module, order, needed);
  const { tiers, unfillable } = tiersOf(needed, sources);
  const last = Math.max(0, ...tiers.values());
  const rounds = Array.from({ length: last }, (_, i) => {
    const filled = [...tiers].filter(([, tier]) => tier === i + 1).map(([area]) => area);
    const all = withSources(filled, sources);
    return [...needed].flatMap(([area, put]) => (all.has(area) ? [put] : []));
  });
  return { rounds, levels, unfillable };
}

function levelsOf(order: readonly Node[], uses: ReadonlyMap<ResourceId, AreaUse>): Map<ResourceId, number> {
  const position = new Map(order.map(({ id }, i) => [id, i]));
  const pairs = [...uses].flatMap(([area, { put, get }]) =>
    put === null || get === null ? [] : [{ area, from: position.get(put) ?? 0, to: position.get(get) ?? 0 }],
  );
  const forward = pairs.filter(({ from, to }) => from < to);
  const apart = new Set(unconnected(numberGraph(order, position), forward).map(({ area }) => area));
  return new Map(pairs.map(({ area, from, to }) => [area, from < to && !apart.has(area) ? 0 : 1]));
}

/** For each area, those that what is put into it was got from. */
function areaSources(
  { resources }: Pick<Module, 'resources'>,
  order: readonly Node[],
  puts: ReadonlyMap<ResourceId, NodeId>,
): Map<ResourceId, ReadonlySet<ResourceId>> {
  const got = new Map<NodeId, ReadonlySet<ResourceId>>();
  for (const node of order) {
    const areas = node.op === 'Unstage' ? node.resources : [];
    const own = areas.filter((id) => resources.get(id)?.kind === 'stagingArea');
    got.set(node.id, merged([new Set(own), ...predecessors(node).map((id) => got.get(id) ?? NOTHING)]));
  }
  return new Map([...puts].map(([area, put]) => [area, got.get(put) ?? NOTHING]));
}

const NOTHING: ReadonlySet<ResourceId> = new Set();

/** The union; one of the sets where it has all. */
function merged(sets: readonly ReadonlySet<ResourceId>[]): ReadonlySet<ResourceId> {
  const largest = sets.reduce((most, set) => (set.size > most.size ? set : most), NOTHING);
  const more = sets.flatMap((set) => (set === largest ? [] : [...set].filter((id) => !largest.has(id))));
  return more.length === 0 ? largest : new Set([...largest, ...more]);
}

/** Kahn's algorithm over the areas: what never becomes ready is filled from itself. */
function tiersOf(
  needed: ReadonlyMap<ResourceId, NodeId>,
  sources: ReadonlyMap<ResourceId, ReadonlySet<ResourceId>>,
): { tiers: Map<ResourceId, number>; unfillable: ResourceId[] } {
  const tiers = new Map<ResourceId, number>();
  const open = new Set(needed.keys());
  for (let tier = 1; open.size > 0; tier++) {
    const ready = [...open].filter((area) =>
      [...(sources.get(area) ?? [])].every((source) => !open.has(source)),
    );
    if (ready.length === 0) break;
    for (const area of ready) {
      open.delete(area);
      tiers.set(area, tier);
    }
  }
  return { tiers, unfillable: [...open] };
}

/** Areas with all that are taken from when they are filled. */
function withSources(
  areas: readonly ResourceId[],
  sources: ReadonlyMap<ResourceId, ReadonlySet<ResourceId>>,
): Set<ResourceId> {
  const all = new Set(areas);
  for (const area of all) for (const source of sources.get(area) ?? []) all.add(source);
  return all;
}
