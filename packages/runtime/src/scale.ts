import {
  constantValue,
  type Graph,
  isFloat,
  type Node,
  type NodeId,
  type TensorRef,
  toNumbers,
} from '@placewright/ir';
import type { Collective } from './partition.js';

/**
 * Collectives with the scale that all members' sums are multiplied by before anything else takes them, as the mean of
 * the towers is; and the nodes of these products.
 */
export function scaleCollectives(
  graph: Graph,
  nodes: readonly Node[],
  collectives: readonly Omit<Collective, 'scale'>[],
  fetched: readonly TensorRef[],
): { collectives: Collective[]; scaled: Set<NodeId> } {
  const members = new Set(collectives.flatMap((collective) => collective.members));
  const takers = new Map<NodeId, Node[]>();
  for (const node of nodes) {
    for (const { node: id } of node.inputs)
      if (members.has(id)) takers.set(id, [...(takers.get(id) ?? []), node]);
  }
  const seen = new Set(fetched.map(({ node }) => node));
  const scaled = new Set<NodeId>();
  const withScale = collectives.map((collective): Collective => {
    const products = collective.members.map((id) => {
      const [taker, ...others] = takers.get(id) ?? [];
      return others.length > 0 || seen.has(id) ? undefined : taker;
    });
    const scales = new Set(products.map((node) => (node === undefined ? null : factorOf(graph, node))));
    const [scale] = scales;
    if (scales.size !== 1 || scale === null || scale === undefined) return { ...collective, scale: 1 };
    for (const node of products) if (node !== undefined) scaled.add(node.id);
    return { ...collective, scale };
  });
  return { collectives: withScale, scaled };
}

/** The scalar constant that a product of floats is by; null where it is none. */
function factorOf(graph: Graph, { op, inputs, outputs: [output] }: Node): number | null {
  if (op !== 'Mul' || output === undefined || !isFloat(output.dtype)) return null;
  const [factor] = inputs.flatMap((ref) => {
    const value = constantValue(graph, ref);
    return value !== null && value.shape.length === 0 ? toNumbers(value) : [];
  });
  return factor ?? null;
}
