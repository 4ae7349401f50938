import { gradients } from '../../src/autodiff.js';
import type { GraphEditor } from '../../src/editor.js';
import type { Module, Node, NodeId, TensorRef } from '../../src/graph.js';
import type { OpRegistry } from '../../src/op.js';
import { builtinRegistry } from '../../src/registry.js';
import { addInput, addNode, build } from '../ops/support.js';

/** The first output of a new forward node. */
export function forward(
  editor: GraphEditor,
  op: string,
  inputs: readonly TensorRef[],
  attrs: Parameters<typeof addNode>[3] = {},
  name = op,
): TensorRef {
  return { node: addNode(editor, op, inputs, attrs, [], name), port: 0 };
}

/** What `gradients` adds to a graph of one output over inputs of the given types. */
export function differentiated(
  types: readonly string[],
  body: (editor: GraphEditor, xs: readonly TensorRef[]) => TensorRef,
  registry: OpRegistry = builtinRegistry,
): { module: Module; added: Node[]; grads: (TensorRef | null)[]; gradTypes: (string | null)[] } {
  let before = new Set<NodeId>();
  let grads: (TensorRef | null)[] = [];
  const { module } = build((editor) => {
    const xs = types.map((type, i) => addInput(editor, type, `x${i}`));
    const y = body(editor, xs);
    before = new Set(editor.graph.nodes.keys());
    grads = gradients(editor, registry, [y], xs);
  });
  const added = [...module.graph.nodes.values()].filter(({ id }) => !before.has(id));
  const gradTypes = grads.map((grad) => {
    const type = grad === null ? undefined : module.graph.nodes.get(grad.node)?.outputs[grad.port];
    return type === undefined ? null : `${type.dtype}[${type.shape.map((dim) => dim ?? '?').join(', ')}]`;
  });
  return { module, added, grads, gradTypes };
}

/** How often each op is among the nodes, without the constants. */
export function opCounts(nodes: readonly Node[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { op } of nodes) if (op !== 'Const') counts.set(op, (counts.get(op) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
