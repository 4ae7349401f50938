import { GraphEditor, type NewNode, type Why } from '../editor.js';
import { emptyModule, type Graph, type NodeId, type ResourceId, type TensorRef } from '../graph.js';
import type { OpRegistry } from '../op.js';

/**
 * Nodes written down before they are added. A gradient function makes the gradients by all inputs of a node, of which
 * some are not asked for; only what leads to a wanted tensor reaches the editor, so that no pass sees the rest.
 */
export interface Tape {
  /** The editor's graph with the nodes of the tape. */
  readonly graph: Graph;
  /** Writes a node down; its output types are inferred. Its id is the tape's, not the editor's. */
  add(spec: NewNode, why: Why): NodeId;
  /** Adds what the tensors need to the editor, in order, and gives what they are called there. Ends the tape. */
  commit(
    wanted: readonly TensorRef[],
    variableOf: (node: NodeId) => string | null,
  ): (tensor: TensorRef) => TensorRef;
}

interface Entry {
  readonly spec: NewNode;
  readonly why: Why;
}

export function startTape(editor: GraphEditor, registry: OpRegistry): Tape {
  const entries = new Map<NodeId, Entry>();
  const scratch = new GraphEditor(
    {
      ...emptyModule('tape'),
      graph: editor.graph,
      resources: editor.resources,
      nextId: firstFree(editor),
    },
    registry,
    'tape',
  );
  return {
    get graph() {
      return scratch.graph;
    },
    add: (spec, why) => {
      const id = scratch.addNode(spec, why);
      entries.set(id, { spec, why });
      return id;
    },
    commit: (wanted, variableOf) => {
      const ids = new Map<NodeId, NodeId>();
      const renamed = ({ node, port }: TensorRef): TensorRef => ({ node: ids.get(node) ?? node, port });
      const live = needed(entries, wanted);
      for (const [id, { spec, why }] of entries) {
        if (!live.has(id)) continue;
        const { attrs: rawAttrs } = scratch.node(id);
        const inputs = (spec.inputs ?? []).map(renamed);
        ids.set(id, editor.addNode({ ...spec, inputs, rawAttrs, variable: variableOf(id) }, why));
      }
      return renamed;
    },
  };
}

/** A number above those of all ids in use. */
function firstFree(editor: GraphEditor): number {
  const ids: Iterable<NodeId | ResourceId>[] = [editor.graph.nodes.keys(), editor.resources.keys()];
  let next = 0;
  for (const list of ids) for (const id of list) next = Math.max(next, Number(id.slice(1)) + 1);
  return next;
}

/** Ids of the entries that the tensors depend on. */
function needed(entries: ReadonlyMap<NodeId, Entry>, wanted: readonly TensorRef[]): Set<NodeId> {
  const live = new Set(wanted.map(({ node }) => node));
  for (const id of live) {
    for (const { node } of entries.get(id)?.spec.inputs ?? []) if (entries.has(node)) live.add(node);
  }
  return live;
}
