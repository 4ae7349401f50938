import {
  addWeightDecay,
  differentiate,
  edit,
  type GraphEditor,
  type Module,
  PlacewrightError,
  type TensorRef,
} from '@placewright/ir';
import { definePass } from '../pass.js';
import { rolesOf } from '../roles.js';

const PASS = 'autodiff';

/**
 * Adds weight decay to the loss, and the gradient of the loss by every trainable variable that the step reads.
 * Reverse mode over the declarations of the ops. Throws PW_MODEL_LOSS, PW_GRADIENT_MISSING, PW_VARIABLE_NO_GRADIENT.
 */
export const autodiff = definePass<{ weightDecay: number }>({
  name: PASS,
  summary: 'adds weight decay and the gradients of the loss by the trainable variables',
  options: { weightDecay: { summary: 'λ of λ·Σ‖w‖²/2 over all trainable variables', default: 0 } },
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, { weightDecay }, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const [role] = rolesOf(module, 'loss');
      if (role === undefined) {
        throw new PlacewrightError('PW_MODEL_LOSS', `module ${JSON.stringify(module.name)} has no loss`, {
          hint: 'only a model that is built for training can be differentiated',
        });
      }
      const reads = trainableReads(module);
      const loss = weightDecay === 0 ? role.tensor : addWeightDecay(editor, role.tensor, reads, weightDecay);
      setLoss(editor, role.tensor, loss);
      for (const { variable, tensor } of differentiate(editor, registry, loss, reads)) {
        const why = { reason: `gradient of the loss by ${variable}`, from: [tensor.node] };
        editor.addRole({ kind: 'gradient', replica: null, variable, tensor }, why);
      }
    }),
});

/**
 * Values of trainable variables as training reads them, in the order in which the variables were made; also of those
 * that the loss does not depend on, which `differentiate` then names.
 */
function trainableReads(module: Module): { variable: string; tensor: TensorRef }[] {
  const reads = [...module.graph.nodes.values()].filter(
    ({ op, phase }) => op === 'ReadVariableOp' && phase !== 'eval',
  );
  const order = new Map([...module.resources.keys()].map((id, i) => [id, i]));
  return reads
    .flatMap((node) => {
      const [id] = node.resources;
      const variable = id === undefined ? undefined : module.resources.get(id);
      if (id === undefined || variable?.kind !== 'variable' || !variable.trainable) return [];
      return [{ variable: variable.name, tensor: { node: node.id, port: 0 }, at: order.get(id) ?? 0 }];
    })
    .sort((a, b) => a.at - b.at)
    .map(({ variable, tensor }) => ({ variable, tensor }));
}

function setLoss(editor: GraphEditor, from: TensorRef, to: TensorRef): void {
  if (from === to) return;
  const why = { reason: 'the loss with weight decay', from: [from.node] };
  editor.setRoles(
    editor.roles.map((role) => (role.kind === 'loss' ? { ...role, tensor: to } : role)),
    why,
  );
  const step = editor.entries.step;
  if (step === undefined) return;
  const same = ({ node, port }: TensorRef): boolean => node === from.node && port === from.port;
  const fetches = step.fetches.map((fetch) => (same(fetch.tensor) ? { ...fetch, tensor: to } : fetch));
  editor.setEntry({ ...step, fetches }, why);
}
