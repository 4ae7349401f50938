import { type Node, type NodeId, predecessors } from '@placewright/ir';

const HEAVY: ReadonlySet<string> = new Set([
  'Conv2D',
  'Conv2DBackpropInput',
  'Conv2DBackpropFilter',
  'MatMul',
]);

/** Whether an op is one of those that most of the computing goes into. */
export function isHeavy(op: string): boolean {
  return HEAVY.has(op);
}

/** The region nodes of one device and level. */
interface Group {
  readonly device: string;
  level: number;
  /** Whether it holds heavy work, or others than regions of its device wait for it. */
  stays: boolean;
  /** Later groups of its device that take its results. */
  readonly takers: Set<Group>;
}

/**
 * Levels of region nodes such that there are fewer regions: one without heavy work whose results go to later regions of
 * its device alone joins the first of these, which saves a call and the copies of its results. `nodes` are all of a round.
 */
export function postponed(nodes: readonly Node[], levels: ReadonlyMap<NodeId, number>): Map<NodeId, number> {
  const groups = groupsOf(nodes, levels);
  for (const node of nodes) {
    const group = groups.get(node.id);
    if (group !== undefined && isHeavy(node.op)) group.stays = true;
    for (const id of predecessors(node)) {
      const source = groups.get(id);
      if (source === undefined || source === group) continue;
      if (group?.device === source.device) source.takers.add(group);
      else source.stays = true;
    }
  }
  const lastFirst = [...new Set(groups.values())].sort((a, b) => b.level - a.level);
  for (const group of lastFirst) {
    if (group.stays || group.takers.size === 0) continue;
    group.level = [...group.takers].reduce((least, { level }) => Math.min(least, level), Infinity);
  }
  return new Map([...groups].map(([id, { level }]) => [id, level]));
}

function groupsOf(nodes: readonly Node[], levels: ReadonlyMap<NodeId, number>): Map<NodeId, Group> {
  const byKey = new Map<string, Group>();
  const groups = new Map<NodeId, Group>();
  for (const { id, device } of nodes) {
    const level = levels.get(id);
    if (level === undefined) continue;
    const key = `${level} ${device}`;
    const group = byKey.get(key) ?? { device, level, stays: false, takers: new Set() };
    byKey.set(key, group);
    groups.set(id, group);
  }
  return groups;
}
