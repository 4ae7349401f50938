import {
  ancestors,
  type DeviceName,
  type GraphEditor,
  type Module,
  type Node,
  type NodeId,
  type Phase,
  type ResourceId,
  type TensorRef,
  type VariableResource,
  type Why,
} from '@placewright/ir';
import { rolesOf } from './roles.js';

/** A reading of a variable by a tower. */
export interface TowerRead {
  readonly node: Node;
  readonly variable: VariableResource;
}

/**
 * What the towers' training graphs read, in order of the graph: also what nothing but the moving averages of later
 * towers needs, which no step runs.
 */
export function towerReads(module: Module): TowerRead[] {
  const { step } = module.entries;
  const trained = ancestors(module.graph, [
    ...(step?.rounds.flat() ?? []),
    ...(step?.fetches.map(({ tensor }) => tensor.node) ?? []),
    ...rolesOf(module, 'gradient').map(({ tensor }) => tensor.node),
    ...rolesOf(module, 'update').map(({ node }) => node),
  ]);
  return [...module.graph.nodes.values()].flatMap((node) => {
    const [id] = node.resources;
    const variable = id === undefined ? undefined : module.resources.get(id);
    const reads = node.op === 'ReadVariableOp' && node.replica !== null && trained.has(node.id);
    return reads && variable?.kind === 'variable' ? [{ node, variable }] : [];
  });
}

/** The same by variable. */
export function readsByVariable(module: Module): Map<ResourceId, TowerRead[]> {
  const out = new Map<ResourceId, TowerRead[]>();
  for (const read of towerReads(module)) {
    const list = out.get(read.variable.id);
    if (list === undefined) out.set(read.variable.id, [read]);
    else list.push(read);
  }
  return out;
}

/** Reads a variable once, for all towers, and keeps what was read on a device: an `Identity` there. */
export function readOnto(
  editor: GraphEditor,
  variable: VariableResource,
  spec: {
    readonly name: string;
    readonly device: DeviceName;
    readonly phase: Phase;
    readonly group: string;
  },
  why: Why,
): TensorRef {
  const { phase, group } = spec;
  const common = { replica: variable.replica, variable: variable.name, phase, group };
  const read = editor.addNode(
    {
      op: 'ReadVariableOp',
      name: `${spec.name}/read`,
      resources: [variable.id],
      device: variable.device,
      ...common,
    },
    why,
  );
  const kept = editor.addNode(
    {
      op: 'Identity',
      name: `${spec.name}/Identity`,
      inputs: [{ node: read, port: 0 }],
      device: spec.device,
      ...common,
    },
    { ...why, from: [read] },
  );
  return { node: kept, port: 0 };
}

/** Lets whatever waits for a reading wait for what has taken its place. */
export function replaceControls(editor: GraphEditor, by: ReadonlyMap<NodeId, NodeId>, why: Why): void {
  for (const { id, controls } of [...editor.graph.nodes.values()]) {
    if (!controls.some((control) => by.has(control))) continue;
    const after = [...new Set(controls.map((control) => by.get(control) ?? control))];
    editor.updateNode(id, { controls: after }, why);
  }
}
