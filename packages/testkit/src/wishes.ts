import {
  edit,
  entryNodes,
  type Module,
  type Node,
  type OpRegistry,
  parseDevice,
  topologicalOrder,
  type VariableResource,
} from '@placewright/ir';
import type { WishesPlan } from './arbitraries/model.js';

const WHY = { reason: 'a wish of the user' };

/**
 * The module with what a user has asked for beside the model: devices of ops and variables, control edges (from an
 * earlier op to a later one, so that no cycle arises) and colocation. Only the training step is touched.
 */
export function addWishes(
  module: Module,
  registry: OpRegistry,
  wishes: WishesPlan,
  devices: readonly string[],
): Module {
  const ops = freeOps(module);
  if (ops.length === 0) return module;
  const pick = <T>(items: readonly T[], at: number): T | undefined => items[at % items.length];
  return edit(module, registry, 'build', (editor) => {
    for (const { at, device, partial } of wishes.ops) {
      const name = pick(devices, device) ?? '';
      const wished = partial ? `/device:${parseDevice(name).type}:*` : name;
      const node = pick(ops, at);
      if (node !== undefined) editor.updateNode(node.id, { device: wished }, WHY);
    }
    const variables = towerVariables(module);
    for (const { at, device } of wishes.variables) {
      const variable = pick(variables, at);
      const wished = { device: pick(devices, device) ?? '' };
      if (variable !== undefined) editor.updateResource<VariableResource>(variable.id, wished, WHY);
    }
    for (const { from, to } of wishes.controls) {
      const [first, last] = [from % ops.length, to % ops.length].sort((a, b) => a - b);
      const [before, after] = [ops[first ?? 0], ops[last ?? 0]];
      if (before !== undefined && after !== undefined && before !== after)
        editor.addControl(after.id, before.id, WHY);
    }
    wishes.colocations.forEach(({ a, b }, i) => {
      // The members of a group must agree: none has a device or a group of its own.
      const members = [pick(ops, a), pick(ops, b)].map((node) =>
        node === undefined ? node : editor.node(node.id),
      );
      if (members.some((node) => node === undefined || node.device !== '' || node.colocation !== null))
        return;
      for (const node of members)
        if (node !== undefined) editor.updateNode(node.id, { colocation: `together${i}` }, WHY);
    });
  }).module;
}

/** Ops of the forward pass that are on no resource, in topological order. */
function freeOps(module: Module): Node[] {
  const { step } = module.entries;
  if (step === undefined) return [];
  const running = entryNodes(module, step);
  return topologicalOrder(module.graph).filter(
    (node) =>
      running.has(node.id) &&
      node.phase === 'forward' &&
      node.resources.length === 0 &&
      node.op !== 'Placeholder' &&
      node.op !== 'Const',
  );
}

/** Variables that the training step acts on, the step's own count excepted. */
export function towerVariables(module: Module): VariableResource[] {
  const { step } = module.entries;
  if (step === undefined) return [];
  const counting = new Set(module.roles.flatMap((role) => (role.kind === 'globalStep' ? [role.node] : [])));
  const used = new Set(
    [...entryNodes(module, step)].flatMap((id) =>
      counting.has(id) ? [] : (module.graph.nodes.get(id)?.resources ?? []),
    ),
  );
  return [...module.resources.values()].filter(
    (resource): resource is VariableResource => resource.kind === 'variable' && used.has(resource.id),
  );
}
