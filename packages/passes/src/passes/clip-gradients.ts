import {
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  type Role,
  scalar,
  type TensorRef,
  type VariableResource,
} from '@placewright/ir';
import { hostDevice, isOfTask, type Site } from '../devices.js';
import { definePass } from '../pass.js';
import { type RoleOf, rolesOf, variableFinder } from '../roles.js';

const PASS = 'clip-gradients';

interface Options extends Record<string, string | number> {
  kind: 'none' | 'value' | 'globalNorm';
  limit: number;
}

/**
 * Clips gradients after aggregation. `value`: each element to ±limit, as the original. `globalNorm`: all gradients of
 * one update together by limit/max(limit, norm), as `tf.clip_by_global_norm`. Each is clipped beside its variable, or on
 * the host where that belongs to another task.
 */
export const clipGradients = definePass<Options>({
  name: PASS,
  summary: 'clips aggregated gradients, by element or by their global norm',
  options: {
    kind: { summary: 'what is limited', default: 'none', oneOf: ['none', 'value', 'globalNorm'] },
    limit: { summary: 'largest magnitude, or largest norm', default: 1 },
  },
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, { kind, limit }, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const clipped = new Map<RoleOf<'aggregated'>, TensorRef>();
      const find = placeFinder(module, site);
      switch (kind) {
        case 'none':
          return;
        case 'value':
          for (const role of rolesOf(module, 'aggregated'))
            clipped.set(role, clipByValue(editor, role, find(role), limit));
          break;
        case 'globalNorm':
          for (const roles of updates(module))
            clipByGlobalNorm(
              editor,
              roles.map((role) => ({ role, place: find(role) })),
              limit,
              clipped,
            );
          break;
      }
      editor.setRoles(
        editor.roles.map(
          (role): Role =>
            role.kind === 'aggregated' ? { ...role, tensor: clipped.get(role) ?? role.tensor } : role,
        ),
        { reason: 'updates take the clipped gradients' },
      );
    }),
});

/** Where a gradient is clipped, and the scope of its variable. */
type Place = Pick<VariableResource, 'scope' | 'device'>;

function placeFinder(module: Module, site: Site): (role: RoleOf<'aggregated'>) => Place {
  const find = variableFinder(module);
  return (role) => {
    const { scope, device } = find(role);
    return { scope, device: isOfTask(device, site) ? device : hostDevice(site) };
  };
}

/** Aggregated gradients that are applied together: one list per tower that applies, or one for all. */
function updates(module: Module): RoleOf<'aggregated'>[][] {
  const lists = new Map<number | null, RoleOf<'aggregated'>[]>();
  for (const role of rolesOf(module, 'aggregated')) {
    const list = lists.get(role.replica) ?? [];
    list.push(role);
    lists.set(role.replica, list);
  }
  return [...lists.values()];
}

function clipByValue(
  editor: GraphEditor,
  role: RoleOf<'aggregated'>,
  place: Place,
  limit: number,
): TensorRef {
  const add = adder(editor, role, place);
  const [lo, hi] = [-limit, limit].map((value) => add('Const', [], { value: scalar('float32', value) }));
  return lo === undefined || hi === undefined ? role.tensor : add('ClipByValue', [role.tensor, lo, hi]);
}

function adder(editor: GraphEditor, role: RoleOf<'aggregated'>, { scope, device }: Place) {
  return (op: string, inputs: readonly TensorRef[], attrs = {}): TensorRef => ({
    node: editor.addNode(
      {
        op,
        name: `clip/${scope === '' ? '' : `${scope}/`}${role.variable}/${op}`,
        inputs,
        attrs,
        device,
        variable: role.variable,
        phase: 'aggregate',
      },
      { reason: `clips the gradient of ${role.variable}`, from: [role.tensor.node] },
    ),
    port: 0,
  });
}

/** norm = √(2·Σ L2Loss(g)); every g is multiplied by limit / max(norm, limit). */
function clipByGlobalNorm(
  editor: GraphEditor,
  gradients: readonly { readonly role: RoleOf<'aggregated'>; readonly place: Place }[],
  limit: number,
  clipped: Map<RoleOf<'aggregated'>, TensorRef>,
): void {
  const [first] = gradients;
  if (first === undefined) return;
  const halves = gradients.map(({ role, place }) => adder(editor, role, place)('L2Loss', [role.tensor]));
  const common = { device: first.place.device, phase: 'aggregate' as const };
  const where = first.role.replica === null ? 'clip/global_norm' : `clip/v${first.role.replica}/global_norm`;
  const why = { reason: "the gradients' global norm", from: gradients.map(({ role }) => role.tensor.node) };
  const add = (op: string, inputs: readonly TensorRef[], attrs = {}): TensorRef => {
    const node: NodeId = editor.addNode({ op, name: `${where}/${op}`, inputs, attrs, ...common }, why);
    return { node, port: 0 };
  };
  const norm = add('Sqrt', [
    add('Mul', [add('AddN', halves), add('Const', [], { value: scalar('float32', 2) })]),
  ]);
  const most = add('Const', [], { value: scalar('float32', limit) });
  const factor = add('RealDiv', [most, add('Maximum', [norm, most])]);
  for (const { role, place } of gradients)
    clipped.set(role, adder(editor, role, place)('Mul', [role.tensor, factor]));
}
