import {
  entryNodes,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  type ResourceId,
  type TensorRef,
  type VariableResource,
} from '@placewright/ir';

/** A lowered module with what several facts look up. */
export interface View {
  readonly module: Module;
  /** Variables in order of creation. */
  readonly variables: readonly VariableResource[];
  /** Nodes by the first resource that they act on, in order of the graph. */
  readonly acting: ReadonlyMap<ResourceId, readonly Node[]>;
  /** Nodes by those that they take a tensor from. */
  readonly consumers: ReadonlyMap<NodeId, readonly Node[]>;
  /** Nodes that a step runs. */
  readonly running: ReadonlySet<NodeId>;
}

export function viewOf(module: Module): View {
  const acting = new Map<ResourceId, Node[]>();
  const consumers = new Map<NodeId, Node[]>();
  for (const node of module.graph.nodes.values()) {
    const [resource] = node.resources;
    if (resource !== undefined) push(acting, resource, node);
    for (const { node: id } of node.inputs) push(consumers, id, node);
  }
  const { step } = module.entries;
  return {
    module,
    variables: [...module.resources.values()].filter((r) => r.kind === 'variable'),
    acting,
    consumers,
    running: step === undefined ? new Set() : entryNodes(module, step),
  };
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** The node that a tensor comes from, copies between devices left out. Throws PW_DANGLING_EDGE. */
export function sourceOf({ module }: View, { node: id }: TensorRef): Node {
  const seen = new Set<NodeId>();
  let node = nodeOf(module.graph, id);
  for (;;) {
    const [input] = node.inputs;
    if (node.op !== 'Transfer' || input === undefined || seen.has(node.id)) return node;
    seen.add(node.id);
    node = nodeOf(module.graph, input.node);
  }
}

/** The nodes that take a node's tensors, across copies between devices. */
export function takersOf({ consumers }: View, id: NodeId): Node[] {
  const found: Node[] = [];
  const seen = new Set<NodeId>([id]);
  const open = [id];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const node of consumers.get(at) ?? []) {
      if (seen.has(node.id)) continue;
      seen.add(node.id);
      if (node.op === 'Transfer') open.push(node.id);
      else found.push(node);
    }
  }
  return found;
}

/** The variable that a node acts on. */
export function variableOf({ module }: View, node: Node): VariableResource | undefined {
  const [id] = node.resources;
  const resource = id === undefined ? undefined : module.resources.get(id);
  return resource?.kind === 'variable' ? resource : undefined;
}
