import { isFloat } from '../dtype.js';
import { PlacewrightError } from '../errors.js';
import { type Graph, type Node, type NodeId, nodeName, type TensorRef, tensorKey } from '../graph.js';
import { tensorTypeOf } from '../infer.js';
import type { OpRegistry } from '../op.js';
import { ancestors, subgraph, topologicalOrder } from '../traverse.js';

/** The nodes between some tensors and others that gradients flow through. */
export interface GradientPath {
  /** Sources first, ties by order of insertion. */
  readonly nodes: readonly Node[];
  /** Whether a gradient by this tensor is asked for, or leads to one that is. */
  leads(tensor: TensorRef): boolean;
}

/**
 * Nodes on a way from `xs` to `ys` along float tensors, not through ops whose gradient is zero. The producers of `xs`
 * are on it only if they lie behind another of `xs`. Throws PW_GRADIENT_MISSING with every op on the way that has no
 * gradient, PW_DANGLING_EDGE, PW_CYCLE.
 */
export function gradientPath(
  graph: Graph,
  registry: OpRegistry,
  ys: readonly TensorRef[],
  xs: readonly TensorRef[],
): GradientPath {
  const leaves = new Set(xs.map(tensorKey));
  const behind = new Set<NodeId>();
  const float = (ref: TensorRef): boolean => isFloat(tensorTypeOf(graph, ref).dtype);
  const leads = (ref: TensorRef): boolean =>
    float(ref) && (leaves.has(tensorKey(ref)) || behind.has(ref.node));
  const order = topologicalOrder(
    subgraph(
      graph,
      ancestors(
        graph,
        ys.map(({ node }) => node),
      ),
    ),
  );
  for (const node of order) {
    const passes = registry.ops.get(node.op)?.gradient !== 'zero';
    if (passes && node.inputs.some(leads)) behind.add(node.id);
  }
  const wanted = new Set(ys.filter(leads).map(({ node }) => node));
  for (const node of order.toReversed()) {
    if (!wanted.has(node.id) || !behind.has(node.id)) continue;
    for (const ref of node.inputs) if (leads(ref)) wanted.add(ref.node);
  }
  const nodes = order.filter(({ id }) => behind.has(id) && wanted.has(id));
  checkDifferentiable(registry, nodes);
  return { nodes, leads };
}

function checkDifferentiable(registry: OpRegistry, nodes: readonly Node[]): void {
  const names = new Map<string, string[]>();
  for (const node of nodes) {
    const gradient = registry.ops.get(node.op)?.gradient;
    if (gradient !== undefined && gradient !== 'none') continue;
    const list = names.get(node.op) ?? [];
    list.push(nodeName(node));
    names.set(node.op, list);
  }
  const [first] = names.values();
  if (first === undefined) return;
  const list = [...names].map(([op, nodesOfOp]) => `${op} (${nodesOfOp.join(', ')})`).join('; ');
  throw new PlacewrightError('PW_GRADIENT_MISSING', `no gradient is known of ${list}`, {
    where: { node: first[0] ?? '' },
    hint:
      'declare a gradient for the op with extendRegistry, compose the model of ops that have one, ' +
      'or put a StopGradient before the node if none is to flow through it',
  });
}
