import { edit, type GraphEditor, type NodeId, type TensorRef, type VariableResource } from '@placewright/ir';
import { addBarrierInTurn } from '../barriers.js';
import { hostDevice, type Site } from '../devices.js';
import { addToStep } from '../entries.js';
import { definePass } from '../pass.js';
import { readOnto } from '../reads.js';
import { rolesOf, towerVariables, variableFinder } from '../roles.js';

const PASS = 'copy-shadows';

/**
 * After each update of a shadow: waits until every worker has updated it, reads it once onto the host, and gives its
 * value to every tower's variable.
 */
export const copyShadows = definePass<Record<never, never>>({
  name: PASS,
  summary: 'waits for all updates of each shadow, and copies it to the towers',
  options: {},
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const find = variableFinder(module);
      const towers = towerVariables(module);
      const updates = rolesOf(module, 'apply').filter(({ replica }) => replica === null);
      const copied = updates.flatMap((update, i) => {
        const targets = towers.get(update.variable) ?? [];
        if (targets.length === 0) return [];
        const value = readWhenAllHave(editor, site, find(update), update.node, i);
        return targets.map((target) => addAssign(editor, target, value));
      });
      addToStep(editor, copied, {
        reason: 'a step ends with the towers holding what all workers have updated',
      });
    }),
});

/** Name and count are the original's: its barrier i is of gradient i. */
function readWhenAllHave(
  editor: GraphEditor,
  site: Site,
  shadow: VariableResource,
  update: NodeId,
  index: number,
): TensorRef {
  const { name: variable } = shadow;
  const barrier = addBarrierInTurn(
    editor,
    site,
    { name: `replicate_variable_${index}`, after: [update], phase: 'update', variable },
    { reason: `all workers have updated ${variable}`, from: [update] },
  );
  const value = readOnto(
    editor,
    shadow,
    { name: `copy_shadows/${variable}`, device: hostDevice(site), phase: 'update', group: '' },
    { reason: `the towers take ${variable} as all workers have updated it`, from: [barrier] },
  );
  const [read] = editor.node(value.node).inputs;
  if (read !== undefined) editor.addControl(read.node, barrier, { reason: 'not before all have updated it' });
  return value;
}

function addAssign(editor: GraphEditor, target: VariableResource, value: TensorRef): NodeId {
  const { id, name: variable, device, replica } = target;
  return editor.addNode(
    {
      op: 'AssignVariableOp',
      name: `copy_shadows/${variable}/Assign`,
      inputs: [value],
      resources: [id],
      device,
      replica,
      variable,
      phase: 'update',
    },
    { reason: `tower ${replica} goes on with what all workers have updated`, from: [value.node] },
  );
}
