import {
  ancestors,
  compareDevices,
  type DeviceName,
  type Entry,
  getAttr,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  nodeOf,
  PlacewrightError,
  predecessors,
  putsIntoBuffer,
  type ResourceId,
  roundNodes,
  subgraph,
  type TensorRef,
  takesFromBuffer,
  topologicalOrder,
} from '@placewright/ir';
import { postponed } from './postpone.js';
import { scaleCollectives } from './scale.js';

/**
 * What becomes of a node. `constant`: a value known before the run, no work. `region`: part of a region. `runtime`: the
 * runtime runs it by itself.
 */
export type Part = 'constant' | 'region' | 'runtime';

/** Members of one collective in this round, in the order of their towers. */
export interface Collective {
  readonly name: string;
  readonly members: readonly NodeId[];
  /** What the sum is multiplied by; 1 where no such nodes follow it. */
  readonly scale: number;
}

/** The nodes of one round of an entry, split up. */
export interface Partition {
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly parts: ReadonlyMap<NodeId, Part>;
  /** Number of calls of regions that must come before a node; nodes of a region have its own number. */
  readonly levels: ReadonlyMap<NodeId, number>;
  readonly collectives: readonly Collective[];
  /** Products of a collective's sum with its scale: nothing is left for them to do. */
  readonly scaled: ReadonlySet<NodeId>;
  /** Tensors that the caller gets, the entry's own first. */
  readonly fetched: readonly TensorRef[];
}

/**
 * Splits one round of an entry; `extra` are tensors to give beside the entry's own, in its last round. `canCompute` says
 * which ops regions may hold. Throws PW_CYCLE, PW_DANGLING_EDGE, PW_ENGINE_UNPLACED, PW_ENGINE_EDGE, PW_ENGINE_COLLECTIVE.
 */
export function partitionRound(
  module: Module,
  entry: Entry,
  round: number,
  extra: readonly TensorRef[],
  canCompute: (op: string) => boolean,
): Partition {
  const last = round >= entry.rounds.length - 1;
  const ids = roundNodes(module, entry, round);
  if (last) {
    for (const { tensor } of entry.fetches) ids.add(tensor.node);
    for (const id of ancestors(module.graph, [...ids, ...extra.map(({ node }) => node)])) ids.add(id);
  }
  for (const id of ids) nodeOf(module.graph, id);
  const nodes = topologicalOrder(subgraph(module.graph, ids));
  checkPlacement(module, nodes);
  const parts = partsOf(nodes, canCompute);
  const fetched = last ? [...entry.fetches.map(({ tensor }) => tensor), ...extra] : [];
  const { collectives, scaled } = scaleCollectives(module.graph, nodes, collectivesOf(nodes), fetched);
  for (const id of scaled) parts.set(id, 'runtime');
  const levels = levelsOf(nodes, parts, collectives);
  return { nodes, parts, collectives, scaled, levels, fetched };
}

function checkPlacement(module: Module, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const where = { node: nodeName(node) };
    if (node.device === '') {
      throw new PlacewrightError('PW_ENGINE_UNPLACED', `${node.op} has no device`, {
        where,
        hint: 'compile the module with a strategy: engines run lowered modules only',
      });
    }
    if (node.op === 'Transfer') continue;
    const foreign = node.inputs.find((ref) => nodeOf(module.graph, ref.node).device !== node.device);
    if (foreign === undefined) continue;
    const source = nodeOf(module.graph, foreign.node);
    throw new PlacewrightError(
      'PW_ENGINE_EDGE',
      `a tensor of ${nodeName(source)} goes from ${source.device} to ${node.device} without a Transfer`,
      { where, hint: 'run the pass insert-transfers' },
    );
  }
}

/** Rows of a value that is there already are a copy, for which a call of a region takes too long. */
function isRowSplit(node: Node): boolean {
  return node.op === 'Split' && getAttr(node, 'axis', 'int') === 0;
}

/** Names for a value that is there already cost nothing beside it. */
function isAlias(op: string): boolean {
  return op === 'Identity' || op === 'StopGradient';
}

function partsOf(nodes: readonly Node[], canCompute: (op: string) => boolean): Map<NodeId, Part> {
  const parts = new Map<NodeId, Part>();
  for (const node of nodes) {
    const [first] = node.inputs;
    const source = first === undefined ? undefined : parts.get(first.node);
    parts.set(node.id, partOf(node, source, canCompute));
  }
  return parts;
}

function partOf(node: Node, source: Part | undefined, canCompute: (op: string) => boolean): Part {
  const free = node.controls.length === 0;
  if (node.op === 'Const') return free ? 'constant' : 'runtime';
  if (free && source === 'constant' && (isAlias(node.op) || node.op === 'Transfer')) return 'constant';
  if ((isAlias(node.op) || isRowSplit(node)) && source !== 'region') return 'runtime';
  return canCompute(node.op) ? 'region' : 'runtime';
}

function collectivesOf(nodes: readonly Node[]): Omit<Collective, 'scale'>[] {
  const byName = new Map<string, Node[]>();
  for (const node of nodes) {
    if (node.op !== 'NcclAllReduce') continue;
    const name = getAttr(node, 'shared_name', 'string');
    const members = byName.get(name);
    if (members === undefined) byName.set(name, [node]);
    else members.push(node);
  }
  return [...byName].map(([name, members]) => {
    const wanted = Math.max(...members.map((member) => getAttr(member, 'num_devices', 'int')));
    if (members.length !== wanted) throw incomplete(name, members, wanted);
    // A stable sort: members without a tower stay in the order of the graph.
    members.sort((a, b) => (a.replica ?? -1) - (b.replica ?? -1));
    return { name, members: members.map(({ id }) => id) };
  });
}

function incomplete(name: string, members: readonly Node[], wanted: number): PlacewrightError {
  const there = members.map((member) => nodeName(member)).slice(0, 8);
  return new PlacewrightError(
    'PW_ENGINE_COLLECTIVE',
    `${JSON.stringify(name)} has ${members.length} of ${wanted} members in this entry: ${there.join(', ')}`,
    {
      where: { node: there[0] ?? '' },
      hint: 'a collective waits for all its members: make the entry run each of them',
    },
  );
}

/** Nodes that end together: a collective, or a node by itself. */
interface Unit {
  readonly members: number[];
  readonly before: Set<number>;
}

/**
 * How many regions in a row each node must wait for: an edge out of a region, to the runtime or to another device, goes
 * up by one; no edge goes down. So all region nodes of one device and level can run in one call, and no two calls wait
 * for each other. Members of a collective count as one node. Where it makes no cycle, what an area gives is taken to
 * come after what is put in, so that a region does not wait for its own results. Light work then goes where it is taken.
 */
function levelsOf(
  nodes: readonly Node[],
  parts: ReadonlyMap<NodeId, Part>,
  collectives: readonly Collective[],
): Map<NodeId, number> {
  const staged = levelled(nodes, parts, unitsOf(nodes, collectives, stagingEdges(nodes)));
  const levels = staged ?? levelled(nodes, parts, unitsOf(nodes, collectives, []));
  if (levels !== undefined) {
    const regions = new Map([...levels].filter(([id]) => parts.get(id) === 'region'));
    return new Map([...levels, ...postponed(nodes, regions)]);
  }
  const names = collectives.map(({ name }) => name).slice(0, 8);
  throw new PlacewrightError('PW_DEADLOCK', `collectives wait for each other: ${names.join(', ')}`, {
    hint: 'give all towers the same order of collectives',
  });
}

function unitsOf(
  nodes: readonly Node[],
  collectives: readonly Collective[],
  further: readonly (readonly [NodeId, NodeId])[],
): Unit[] {
  const index = new Map(nodes.map(({ id }, i) => [id, i]));
  const leader = nodes.map((_, i) => i);
  for (const { members } of collectives) {
    const first = index.get(members[0] ?? 'n0') ?? 0;
    for (const member of members) leader[index.get(member) ?? 0] = first;
  }
  const units = nodes.map((): Unit => ({ members: [], before: new Set() }));
  const depend = (on: NodeId, i: number): void => {
    const source = leader[index.get(on) ?? i] ?? i;
    if (source !== leader[i]) units[leader[i] ?? i]?.before.add(source);
  };
  nodes.forEach((node, i) => {
    units[leader[i] ?? i]?.members.push(i);
    for (const id of predecessors(node)) depend(id, i);
  });
  for (const [from, to] of further) depend(from, index.get(to) ?? 0);
  return units;
}

/** From each node that puts into a buffer to each that takes from it. */
function stagingEdges(nodes: readonly Node[]): (readonly [NodeId, NodeId])[] {
  const puts = new Map<ResourceId, NodeId[]>();
  for (const { id, op, resources } of nodes) {
    const [area] = resources;
    if (putsIntoBuffer(op) && area !== undefined) puts.set(area, [...(puts.get(area) ?? []), id]);
  }
  return nodes.flatMap(({ id, op, resources: [area] }) =>
    takesFromBuffer(op) && area !== undefined ? (puts.get(area) ?? []).map((put) => [put, id] as const) : [],
  );
}

/** Levels by Kahn's order of the units; undefined when there is a cycle. */
function levelled(
  nodes: readonly Node[],
  parts: ReadonlyMap<NodeId, Part>,
  units: readonly Unit[],
): Map<NodeId, number> | undefined {
  const after: number[][] = units.map(() => []);
  const waiting = units.map(({ before }) => before.size);
  units.forEach(({ before }, i) => {
    for (const source of before) after[source]?.push(i);
  });
  const ready = units.flatMap(({ members }, i) => (members.length > 0 && waiting[i] === 0 ? [i] : []));
  const levels = new Array<number>(nodes.length).fill(0);
  for (let at = 0; at < ready.length; at++) {
    const i = ready[at] as number;
    for (const next of after[i] ?? []) {
      levels[next] = Math.max(levels[next] ?? 0, (levels[i] ?? 0) + rise(nodes[i], nodes[next], parts));
      waiting[next] = (waiting[next] ?? 0) - 1;
      if (waiting[next] === 0) ready.push(next);
    }
  }
  if (ready.length < units.filter(({ members }) => members.length > 0).length) return undefined;
  return new Map(
    units.flatMap(({ members }, i) => members.map((m) => [(nodes[m] as Node).id, levels[i] ?? 0] as const)),
  );
}

function rise(from: Node | undefined, to: Node | undefined, parts: ReadonlyMap<NodeId, Part>): 0 | 1 {
  if (from === undefined || to === undefined || parts.get(from.id) !== 'region') return 0;
  return parts.get(to.id) === 'region' && from.device === to.device ? 0 : 1;
}

/** Devices that a module's nodes and resources are on, sorted. */
export function devicesOf(module: Module): DeviceName[] {
  const devices = new Set<DeviceName>();
  for (const { device } of module.graph.nodes.values()) devices.add(device);
  for (const { device } of module.resources.values()) devices.add(device);
  devices.delete('');
  return [...devices].sort(compareDevices);
}
