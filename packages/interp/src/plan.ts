import {
  ancestors,
  type Entry,
  getAttr,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  PlacewrightError,
  predecessors,
  type ResourceId,
  roundNodes,
  subgraph,
  type TensorRef,
  topologicalOrder,
} from '@placewright/ir';

/** Nodes that run together: members of one collective, or parties of one barrier. By index into `Plan.nodes`. */
export interface Group {
  readonly op: string;
  readonly name: string;
  /** In the order of their towers. */
  readonly members: readonly number[];
  /** How many there must be; those of a barrier may come from several runs. */
  readonly wanted: number;
  /** The barrier; null for a collective. */
  readonly barrier: ResourceId | null;
}

/** One round of an entry, ready to run: nodes by index in topological order. */
export interface Plan {
  readonly nodes: readonly Node[];
  readonly index: ReadonlyMap<NodeId, number>;
  /** Number of distinct predecessors of each node. */
  readonly waiting: Int32Array;
  /** Nodes that depend on each node, each once. */
  readonly successors: readonly (readonly number[])[];
  /** Number of inputs and fetches that take a value from each node. */
  readonly uses: Int32Array;
  readonly groups: ReadonlyMap<number, Group>;
}

/** Plans a round; `extra` are tensors asked for beside the entry's own, taken in its last round. Throws PW_CYCLE, PW_DANGLING_EDGE. */
export function planRound(module: Module, entry: Entry, round: number, extra: readonly TensorRef[]): Plan {
  const ids = roundNodes(module, entry, round);
  const last = round === entry.rounds.length - 1;
  const fetched = last ? [...entry.fetches.map(({ tensor }) => tensor), ...extra] : [];
  for (const id of last
    ? ancestors(
        module.graph,
        extra.map(({ node }) => node),
      )
    : [])
    ids.add(id);
  for (const id of ids) nodeOf(module.graph, id);
  const nodes = topologicalOrder(subgraph(module.graph, ids));
  const index = new Map(nodes.map((node, i) => [node.id, i]));
  return { nodes, index, ...edgesOf(nodes, index, fetched), groups: groupsOf(module, nodes) };
}

type Edges = Pick<Plan, 'waiting' | 'successors' | 'uses'>;

function edgesOf(
  nodes: readonly Node[],
  index: ReadonlyMap<NodeId, number>,
  fetched: readonly TensorRef[],
): Edges {
  const waiting = new Int32Array(nodes.length);
  const uses = new Int32Array(nodes.length);
  const successors: number[][] = nodes.map(() => []);
  const use = (ref: TensorRef): void => {
    const at = index.get(ref.node) ?? -1;
    uses[at] = (uses[at] ?? 0) + 1;
  };
  nodes.forEach((node, i) => {
    const before = new Set(predecessors(node));
    waiting[i] = before.size;
    for (const id of before) successors[index.get(id) ?? -1]?.push(i);
    node.inputs.forEach(use);
  });
  fetched.forEach(use);
  return { waiting, successors, uses };
}

function groupsOf(module: Module, nodes: readonly Node[]): Map<number, Group> {
  const byKey = new Map<string, number[]>();
  nodes.forEach((node, i) => {
    const key = groupKey(node);
    if (key === undefined) return;
    const members = byKey.get(key);
    if (members === undefined) byKey.set(key, [i]);
    else members.push(i);
  });
  const groups = new Map<number, Group>();
  for (const members of byKey.values()) {
    const group = groupOf(module, nodes, members);
    for (const member of members) groups.set(member, group);
  }
  return groups;
}

function groupKey(node: Node): string | undefined {
  if (node.op === 'NcclAllReduce') return `collective ${getAttr(node, 'shared_name', 'string')}`;
  return node.op === 'Barrier' ? `barrier ${node.resources[0]}` : undefined;
}

function groupOf(module: Module, nodes: readonly Node[], unordered: readonly number[]): Group {
  const tower = (i: number): number => nodes[i]?.replica ?? -1;
  const members = unordered.toSorted((a, b) => tower(a) - tower(b) || a - b);
  const first = nodes[members[0] ?? 0] as Node;
  if (first.op === 'NcclAllReduce') {
    const name = getAttr(first, 'shared_name', 'string');
    return { op: first.op, name, members, wanted: getAttr(first, 'num_devices', 'int'), barrier: null };
  }
  const resource = first.resources[0] === undefined ? undefined : module.resources.get(first.resources[0]);
  if (resource?.kind !== 'barrier')
    throw new PlacewrightError('PW_RESOURCE_KIND', 'a Barrier acts on no barrier');
  return { op: first.op, name: resource.name, members, wanted: resource.parties, barrier: resource.id };
}
