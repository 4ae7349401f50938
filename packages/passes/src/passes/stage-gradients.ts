import { edit, type NodeId, type Role } from '@placewright/ir';
import { towerDevices } from '../devices.js';
import { addToStep } from '../entries.js';
import { definePass } from '../pass.js';
import { stageTensor } from '../staging.js';
import { setWarmUp } from '../warm-up.js';

const PASS = 'stage-gradients';

/**
 * Puts each tower's gradients through staging areas of its own: an update takes what was computed a step before. The
 * original's driver does so whenever variables are staged.
 */
export const stageGradients = definePass<Record<never, never>>({
  name: PASS,
  summary: "puts each tower's gradients through a staging area, one step old",
  options: {},
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const towers = towerDevices(site);
      const stages: NodeId[] = [];
      const roles = editor.roles.map((role): Role => {
        if (role.kind !== 'gradient') return role;
        const replica = role.replica ?? 0;
        const staged = stageTensor(
          editor,
          role.tensor,
          {
            name: `${role.variable}/gradient`,
            device: towers[replica] ?? '',
            replica,
            variable: role.variable,
            phase: 'backward',
          },
          {
            reason: `the update takes tower ${replica}'s gradient of the step before`,
            from: [role.tensor.node],
          },
        );
        stages.push(staged.stage);
        return { ...role, tensor: staged.tensor };
      });
      editor.setRoles(roles, { reason: 'updates take the gradients of the step before' });
      addToStep(editor, stages, { reason: 'stages the gradients for the next step' });
      setWarmUp(editor, { reason: 'stages the gradients for the first step' });
    }),
});
