import {
  type Module,
  type Node,
  type NodeId,
  numberEdges,
  type OpRegistry,
  predecessors,
  type ResourceEffect,
  type ResourceId,
  subgraph,
} from '@placewright/ir';

/** A node that reads or writes a variable, and its place in the order of `readsFirst`. */
export interface VariableAccess {
  readonly node: NodeId;
  readonly effect: 'read' | 'write';
  readonly at: number;
}

/** What the given nodes do to each variable, in the order of `readsFirst`. */
export interface Accesses {
  readonly order: readonly Node[];
  readonly position: ReadonlyMap<NodeId, number>;
  readonly byVariable: ReadonlyMap<ResourceId, readonly VariableAccess[]>;
}

export function variableAccesses(
  module: Module,
  registry: OpRegistry,
  running: ReadonlySet<NodeId>,
): Accesses {
  const effectsOf = (op: string): readonly ResourceEffect[] => {
    const effect = registry.ops.get(op)?.effect;
    return effect?.kind === 'resources' ? effect.effects : [];
  };
  const order = readsFirst(module, running, ({ op }) => effectsOf(op).includes('write'));
  const byVariable = new Map<ResourceId, VariableAccess[]>();
  order.forEach(({ id, op, resources }, at) => {
    const effects = effectsOf(op);
    resources.forEach((resource, i) => {
      const effect = effects[i];
      if (effect !== 'read' && effect !== 'write') return;
      const access = { node: id, effect, at };
      const list = byVariable.get(resource);
      if (list === undefined) byVariable.set(resource, [access]);
      else list.push(access);
    });
  });
  return { order, position: new Map(order.map(({ id }, at) => [id, at])), byVariable };
}

/**
 * An order that all edges allow, in which everything that no write must come before stands before all writes (Kahn's
 * algorithm with two queues). Writes come by order of insertion, as far as edges allow.
 */
function readsFirst(module: Module, running: ReadonlySet<NodeId>, isWrite: (node: Node) => boolean): Node[] {
  const { nodes, starts, next, incoming } = numberEdges(subgraph(module.graph, running));
  const waiting = incoming.slice();
  const queue: number[] = [];
  let writes: number[] = [];
  const ready = (i: number): void => {
    const node = nodes[i];
    if (node !== undefined) (isWrite(node) ? writes : queue).push(i);
  };
  waiting.forEach((count, i) => {
    if (count === 0) ready(i);
  });
  for (let done = 0; done < queue.length || writes.length > 0; done++) {
    if (done === queue.length) {
      for (const i of writes.sort((a, b) => a - b)) queue.push(i);
      writes = [];
    }
    const i = queue[done] ?? 0;
    for (let edge = starts[i] ?? 0; edge < (starts[i + 1] ?? 0); edge++) {
      const after = next[edge] ?? 0;
      waiting[after] = (waiting[after] ?? 0) - 1;
      if (waiting[after] === 0) ready(after);
    }
  }
  return queue.flatMap((i) => nodes[i] ?? []);
}

/** Whether a path leads from one node to another. Looks back from the second, and in the order never before the first. */
export function leadsTo({ order, position }: Accesses, from: NodeId, to: NodeId): boolean {
  const first = position.get(from) ?? 0;
  const seen = new Set<NodeId>([to]);
  for (const id of seen) {
    if (id === from) return true;
    const node = order[position.get(id) ?? -1];
    for (const before of node === undefined ? [] : predecessors(node))
      if ((position.get(before) ?? -1) >= first) seen.add(before);
  }
  return false;
}
