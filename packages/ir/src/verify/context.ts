import type { Module, Node, NodeId } from '../graph.js';
import type { OpDecl, OpRegistry, ResourceEffect } from '../op.js';
import { numberEdges, roundNodes, topologicalOrder } from '../traverse.js';
import type { Access, RoundView, VerifyContext } from './invariant.js';

/** A context in which nothing has been worked out yet. */
export function verifyContext(module: Module, registry: OpRegistry): VerifyContext {
  const decl = (node: Node): OpDecl | null => registry.ops.get(node.op) ?? null;
  const edges = once(() => numberEdges(module.graph));
  const order = once(() => topologicalOrder(module.graph, edges()));
  return {
    module,
    registry,
    decl,
    edges,
    order,
    position: once(() => new Map<NodeId, number>(order().map((node, i) => [node.id, i]))),
    rounds: once(() => roundsOf(module)),
    accesses: once(() => accessesOf(module, decl)),
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function roundsOf(module: Module): RoundView[] {
  return Object.values(module.entries).flatMap((entry) =>
    entry.rounds.map((_, round) => ({
      label: entry.rounds.length > 1 ? `${entry.name} round ${round + 1}` : entry.name,
      entry: entry.name,
      nodes: roundNodes(module, entry, round),
    })),
  );
}

function accessesOf(module: Module, declOf: (node: Node) => OpDecl | null): Access[] {
  const accesses: Access[] = [];
  for (const node of module.graph.nodes.values()) {
    if (node.resources.length === 0) continue;
    const decl = declOf(node);
    node.resources.forEach((id, i) => {
      const resource = module.resources.get(id);
      if (resource !== undefined) accesses.push({ node, resource, effect: effectAt(decl, i) });
    });
  }
  return accesses;
}

function effectAt(decl: OpDecl | null, index: number): ResourceEffect {
  return decl?.effect.kind === 'resources' ? (decl.effect.effects[index] ?? 'write') : 'write';
}
