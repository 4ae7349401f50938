import {
  type DeviceName,
  type Node,
  type NodeId,
  nodeOf,
  resourceName,
  type TensorRef,
} from '@placewright/ir';
import { rolesOf } from '../../roles.js';
import type { ApplyFacts, CopyFacts, Facts, QueueFacts } from './form.js';
import { sourceOf, type View, variableOf } from './view.js';

const GRADIENT_INPUT = new Map([
  ['ResourceApplyGradientDescent', 1],
  ['ResourceApplyMomentum', 1],
  ['ResourceApplyRMSProp', 4],
]);

/** Updates by the optimizer: one list for what all towers share, or one for each tower that applies. */
export function applyFacts(view: View): ApplyFacts[][] {
  const lists = new Map<number | null, ApplyFacts[]>();
  for (const { node: id, replica } of rolesOf(view.module, 'apply')) {
    const node = nodeOf(view.module.graph, id);
    const variable = variableOf(view, node);
    const gradient = node.inputs[GRADIENT_INPUT.get(node.op) ?? 0];
    if (variable === undefined || gradient === undefined) continue;
    const { op, device } = unclipped(view, gradient);
    const row = {
      variable: resourceName(variable),
      variableDevice: variable.device,
      gradientOp: op,
      gradientDevice: device,
    };
    const list = lists.get(replica);
    if (list === undefined) lists.set(replica, [row]);
    else list.push(row);
  }
  return [...lists.values()];
}

/** What a gradient was before it was clipped: what clips takes it first. */
function unclipped(view: View, gradient: TensorRef): Node {
  const seen = new Set<NodeId>();
  let node = sourceOf(view, gradient);
  for (;;) {
    const [input] = node.inputs;
    if (node.origin.pass !== 'clip-gradients' || input === undefined || seen.has(node.id)) return node;
    seen.add(node.id);
    node = sourceOf(view, input);
  }
}

/** Copies of variables after initialisation. */
export function copyFacts(view: View): CopyFacts[] {
  const { graph, entries } = view.module;
  return (entries.postInit?.rounds.flat() ?? []).flatMap((id) => {
    const node = nodeOf(graph, id);
    const [input] = node.inputs;
    const target = variableOf(view, node);
    if (node.op !== 'AssignVariableOp' || input === undefined || target === undefined) return [];
    const source = variableOf(view, sourceOf(view, input));
    return source === undefined
      ? []
      : [{ target: resourceName(target), device: node.device, source: resourceName(source) }];
  });
}

/** Queues of the barriers that the original has. Those of `gate-updates` are ours alone. */
export function queueFacts({ module }: View): QueueFacts[] {
  return [...module.resources.values()].flatMap((resource) =>
    resource.kind !== 'queue' || resource.origin.pass === 'gate-updates'
      ? []
      : [{ sharedName: resourceName(resource), device: resource.device, capacity: resource.capacity }],
  );
}

/** Ops that bring gradients together and that update variables, by device. */
export function countFacts(view: View): Facts['nodeCounts'] {
  const counts = new Map<string, Map<DeviceName, number>>();
  for (const node of view.module.graph.nodes.values()) {
    if (!isCounted(view, node)) continue;
    const row = counts.get(node.op) ?? new Map<DeviceName, number>();
    counts.set(node.op, row);
    row.set(node.device, (row.get(node.device) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].map(([op, row]) => [op, Object.fromEntries(row)]));
}

/** Of clipping by the global norm, `AddN` and `Mul` are of another pass; so are those of the towers' own graphs. */
function isCounted({ module }: View, { op, phase, origin, inputs }: Node): boolean {
  switch (op) {
    case 'AddN':
      return phase === 'aggregate' && origin.pass !== 'clip-gradients' && inputs.length === module.towers;
    case 'Mul':
      return phase === 'aggregate' && origin.pass !== 'clip-gradients';
    case 'NcclAllReduce':
      return true;
    default:
      return phase === 'update' && GRADIENT_INPUT.has(op);
  }
}
