import { taskPrefix } from '../cluster.js';
import {
  type Decision,
  type Entry,
  makeNode,
  type Node,
  type NodeId,
  type Origin,
  type ResourceId,
  type Role,
  type TensorRef,
} from '../graph.js';
import type { TaskModule } from './check.js';

/** How the ids, names and towers of one task's module are called in the linked one. */
export interface Renaming {
  readonly nodes: ReadonlyMap<NodeId, NodeId>;
  readonly resources: ReadonlyMap<ResourceId, ResourceId>;
  /** A name that only this task's own may have. */
  name(name: string): string;
  tower(replica: number | null): number | null;
}

export function renaming(
  { task, module }: TaskModule,
  index: number,
  resources: ReadonlyMap<ResourceId, ResourceId>,
  next: () => number,
): Renaming {
  const prefix = taskPrefix(task);
  const nodes = new Map<NodeId, NodeId>();
  for (const id of module.graph.nodes.keys()) nodes.set(id, `n${next()}`);
  return {
    nodes,
    resources,
    name: (name) => (prefix === '' ? name : `${prefix}/${name}`),
    tower: (replica) => towerNumber(module.towers, index, replica),
  };
}

/** Tower t of worker w with N towers each is w·N + t. */
export function towerNumber(towers: number, task: number, replica: number | null): number | null {
  return replica === null ? null : task * towers + replica;
}

/** An id that is not there any more stays as it is: the verifier reports it. */
function nodeId({ nodes }: Renaming, id: NodeId): NodeId {
  return nodes.get(id) ?? id;
}

function tensor(renaming: Renaming, { node, port }: TensorRef): TensorRef {
  return { node: nodeId(renaming, node), port };
}

export function renameNode(renaming: Renaming, node: Node): Node {
  const { name, replica, colocation, origin, resources } = node;
  return makeNode({
    ...node,
    id: nodeId(renaming, node.id),
    name: replica === null ? renaming.name(name) : name,
    inputs: node.inputs.map((ref) => tensor(renaming, ref)),
    controls: node.controls.map((id) => nodeId(renaming, id)),
    attrs: renameCollective(renaming, node),
    resources: resources.map((id) => renaming.resources.get(id) ?? id),
    replica: renaming.tower(replica),
    colocation: colocation === null ? null : renaming.name(colocation),
    origin: renameOrigin(renaming, origin),
  });
}

/** Nodes that passes have removed have no new id, and their old one is another's now. */
export function renameOrigin({ nodes }: Renaming, origin: Origin): Origin {
  return { ...origin, from: origin.from.flatMap((id) => nodes.get(id) ?? []) };
}

/** Members of a collective find each other by its name, and those of another task are not among them. */
function renameCollective(renaming: Renaming, { op, attrs }: Node): Node['attrs'] {
  const name = attrs.get('shared_name');
  if (op !== 'NcclAllReduce' || name?.kind !== 'string') return attrs;
  return new Map([...attrs, ['shared_name', { kind: 'string', value: renaming.name(name.value) }]]);
}

export function renameEntry(renaming: Renaming, { name, feeds, fetches, rounds }: Entry): Entry {
  return {
    name,
    feeds: feeds.map((feed) => ({ name: feed.name, node: nodeId(renaming, feed.node) })),
    fetches: fetches.map((fetch) => ({ name: fetch.name, tensor: tensor(renaming, fetch.tensor) })),
    rounds: rounds.map((round) => round.map((id) => nodeId(renaming, id))),
  };
}

export function renameRole(renaming: Renaming, role: Role): Role {
  switch (role.kind) {
    case 'loss':
    case 'gradient':
    case 'aggregated':
      return { ...role, tensor: tensor(renaming, role.tensor), replica: renaming.tower(role.replica) };
    case 'apply':
    case 'update':
    case 'initializer':
      return { ...role, node: nodeId(renaming, role.node), replica: renaming.tower(role.replica) };
    case 'globalStep':
      return { ...role, node: nodeId(renaming, role.node) };
  }
}

/** Null for a decision on what is not there any more. */
export function renameDecision(renaming: Renaming, decision: Decision): Decision | null {
  const { nodes, resources } = renaming;
  const subject = nodes.get(decision.subject as NodeId) ?? resources.get(decision.subject as ResourceId);
  return subject === undefined ? null : { ...decision, subject };
}
