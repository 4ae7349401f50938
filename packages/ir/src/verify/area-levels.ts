import { isBuffer } from '../buffers.js';
import type { Node, ResourceId, StagingAreaResource } from '../graph.js';
import type { RoundView, VerifyContext } from './invariant.js';
import { BEFORE_STEPS } from './program.js';
import { numberGraph, type Pair, unconnected } from './reach.js';

/** A node that may have to wait for a staging area. */
export interface AreaWait {
  readonly area: StagingAreaResource;
  readonly round: RoundView;
  readonly node: Node;
  /**
   * `empty`: a get may find nothing. `full`: a put finds no room, and nothing comes to make some. `late`: a put may have to
   * wait for the get of the same round, which does no harm.
   */
  readonly kind: 'empty' | 'full' | 'late';
  /** Tuples in the area when the round begins. */
  readonly level: number;
}

/** What a round does to an area. */
interface Use {
  readonly round: RoundView;
  readonly area: StagingAreaResource;
  readonly puts: Node[];
  readonly gets: Node[];
}

/**
 * Follows how full the staging areas of a task are, through its rounds up to the end of the first step, after which all
 * is as it was before, and gives what may have to wait: a get from an area that is empty when the round begins, or a
 * put into one that has no room for a tuple more, unless a path has the other one come first.
 */
export function areaWaits(context: VerifyContext, task: number): AreaWait[] {
  return waitsIn(context, usesOf(context, task));
}

function waitsIn(context: VerifyContext, uses: readonly Use[]): AreaWait[] {
  const order = firstOf(context, uses);
  const levels = new Map<ResourceId, number>();
  const out: AreaWait[] = [];
  for (const use of uses) {
    const { round, area, puts, gets } = use;
    const level = levels.get(area.id) ?? 0;
    const first = order.get(use);
    const [put] = puts;
    const [get] = gets;
    if (get !== undefined && first !== 'put' && level < gets.length)
      out.push({ area, round, node: get, kind: 'empty', level });
    else if (put !== undefined && first !== 'get' && level + puts.length > area.capacity)
      out.push({
        area,
        round,
        node: put,
        kind: get === undefined || first === 'put' ? 'full' : 'late',
        level,
      });
    levels.set(area.id, Math.max(0, level + puts.length - gets.length));
  }
  return out;
}

/** Staging areas that never make anything wait, so that nothing is ordered by them. */
export function calmAreas(context: VerifyContext): ReadonlySet<ResourceId> {
  const calm = new Set<ResourceId>();
  for (const { id, kind } of context.module.resources.values()) if (kind === 'stagingArea') calm.add(id);
  context.tasks().forEach((_, task) => {
    const uses = usesOf(context, task);
    const balance = new Map<ResourceId, number>();
    for (const { area, puts, gets, round } of uses) {
      if (puts.length > 1 || gets.length > 1) calm.delete(area.id);
      if (round.entry === 'step')
        balance.set(area.id, (balance.get(area.id) ?? 0) + puts.length - gets.length);
    }
    for (const [id, change] of balance) if (change !== 0) calm.delete(id);
    for (const { area } of waitsIn(context, uses)) calm.delete(area.id);
  });
  return calm;
}

/** Uses of areas, in the order of the task's rounds. */
function usesOf(context: VerifyContext, task: number): Use[] {
  const rounds = context.rounds().filter((round) => round.task === task);
  const program = [...BEFORE_STEPS, 'step'].flatMap((name) => rounds.filter(({ entry }) => entry === name));
  const accesses = context.accesses().filter(({ resource }) => resource.kind === 'stagingArea');
  if (accesses.length === 0) return [];
  return program.flatMap((round) => {
    const uses = new Map<ResourceId, Use>();
    for (const { node, resource, effect } of accesses) {
      if (!round.nodes.has(node.id) || !isBuffer(resource) || resource.kind !== 'stagingArea') continue;
      const use = uses.get(resource.id) ?? { round, area: resource, puts: [], gets: [] };
      uses.set(resource.id, use);
      (effect === 'get' ? use.gets : use.puts).push(node);
    }
    return [...uses.values()];
  });
}

/** Which of a round's put and get of an area a path has first, where it has. */
function firstOf(context: VerifyContext, uses: readonly Use[]): Map<Use, 'put' | 'get'> {
  const position = context.position();
  const first = new Map<Use, 'put' | 'get'>();
  const pairs = uses.flatMap((use): (Pair & { readonly use: Use })[] => {
    const [put] = use.puts;
    const [get] = use.gets;
    if (put === undefined || get === undefined) return [];
    const [a, b] = [position.get(put.id) ?? 0, position.get(get.id) ?? 0];
    first.set(use, a < b ? 'put' : 'get');
    return [{ use, from: Math.min(a, b), to: Math.max(a, b) }];
  });
  if (pairs.length === 0) return first;
  for (const { use } of unconnected(numberGraph(context.order(), position), pairs)) first.delete(use);
  return first;
}
