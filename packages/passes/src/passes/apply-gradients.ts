import {
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  type OptimizerSpec,
  type ResourceId,
  resourceName,
  scalar,
  type TensorRef,
  unreachable,
  type VariableResource,
} from '@placewright/ir';
import { addToStep } from '../entries.js';
import { definePass } from '../pass.js';
import { type RoleOf, rolesOf, shownVariableNames, variableFinder } from '../roles.js';

const PASS = 'apply-gradients';

interface Options extends Record<string, string | number | boolean> {
  optimizer: OptimizerSpec['kind'];
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  decay: number;
  epsilon: number;
}

/**
 * Adds the optimizer's update of every variable, on the variable's device, with the slots it needs beside the variable,
 * and lets `global_step` grow after all updates. Slots are named and started as TensorFlow's optimizers do.
 */
export const applyGradients = definePass<Options>({
  name: PASS,
  summary: "adds the optimizer's updates and their slots beside the variables",
  options: {
    optimizer: { summary: "TensorFlow's update rule", default: 'sgd', oneOf: ['sgd', 'momentum', 'rmsprop'] },
    learningRate: { summary: 'η', default: 0.05 },
    momentum: { summary: 'µ of momentum and rmsprop', default: 0.9 },
    nesterov: { summary: "Nesterov's momentum", default: true },
    decay: { summary: 'ρ of rmsprop', default: 0.9 },
    epsilon: { summary: 'ε of rmsprop', default: 1 },
  },
  requires: ['resource-colocated'],
  establishes: ['staging-balanced'],
  preserves: 'all',
  run: (module, options, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const shared: Shared = { constants: new Map(), slotNames: slotNamer(module), initializers: [] };
      const find = variableFinder(module);
      const applied = towerByTower(rolesOf(module, 'aggregated')).map((role) => {
        const variable = find(role);
        const node = addUpdate(editor, role, variable, options, shared);
        const why = { reason: `${options.optimizer} updates ${role.variable}`, from: [node] };
        editor.addRole({ kind: 'apply', replica: role.replica, variable: role.variable, node }, why);
        return node;
      });
      addToStep(editor, applied, { reason: 'a step applies the gradients' });
      startSlots(editor, shared.initializers);
      for (const { node } of rolesOf(module, 'globalStep')) {
        const controls = [...new Set([...editor.node(node).controls, ...applied])];
        editor.updateNode(node, { controls }, { reason: 'a step is counted when its updates are done' });
      }
    }),
});

/** What the updates of all variables have together. */
interface Shared {
  /** The optimizer's constants on each device. */
  readonly constants: Map<string, TensorRef>;
  readonly slotNames: SlotNamer;
  /** Assignments of the slots' initial values. */
  readonly initializers: NodeId[];
}

/** In the order in which the original makes updates and slots: one tower after the other, each variable by variable. */
function towerByTower(roles: readonly RoleOf<'aggregated'>[]): RoleOf<'aggregated'>[] {
  return roles.toSorted((a, b) => (a.replica ?? 0) - (b.replica ?? 0));
}

function startSlots(editor: GraphEditor, initializers: readonly NodeId[]): void {
  const { init } = editor.entries;
  if (init === undefined || initializers.length === 0) return;
  const [first = [], ...rest] = init.rounds;
  editor.setEntry(
    { ...init, rounds: [[...first, ...initializers], ...rest] },
    { reason: 'slots have initial values' },
  );
}

function addUpdate(
  editor: GraphEditor,
  role: RoleOf<'aggregated'>,
  variable: VariableResource,
  options: Options,
  shared: Shared,
): NodeId {
  const { constants } = shared;
  const constant = (name: string, value: number): TensorRef => {
    const key = `${variable.device} ${name}`;
    const known = constants.get(key);
    if (known !== undefined) return known;
    const spec = {
      op: 'Const',
      name: `optimizer/${name}`,
      attrs: { value: scalar('float32', value) },
      device: variable.device,
      phase: 'update' as const,
    };
    const ref = { node: editor.addNode(spec, { reason: `${name} of ${options.optimizer}` }), port: 0 };
    constants.set(key, ref);
    return ref;
  };
  const slot = (name: string, start: number): ResourceId =>
    addSlot(editor, variable, name, start, options, shared);
  const apply = (
    op: string,
    inputs: readonly TensorRef[],
    slots: readonly ResourceId[],
    attrs = {},
  ): NodeId =>
    editor.addNode(
      {
        op,
        name: `update/${variable.scope === '' ? '' : `${variable.scope}/`}${variable.name}/${op}`,
        inputs,
        attrs,
        resources: [variable.id, ...slots],
        device: variable.device,
        variable: variable.name,
        phase: 'update',
      },
      { reason: `${options.optimizer} update of ${variable.name}`, from: [role.tensor.node] },
    );
  const rate = constant('learning_rate', options.learningRate);
  const grad = role.tensor;
  switch (options.optimizer) {
    case 'sgd':
      return apply('ResourceApplyGradientDescent', [rate, grad], []);
    case 'momentum':
      return apply(
        'ResourceApplyMomentum',
        [rate, grad, constant('momentum', options.momentum)],
        [slot('Momentum', 0)],
        {
          use_nesterov: options.nesterov,
        },
      );
    case 'rmsprop': {
      const inputs = [
        rate,
        constant('decay', options.decay),
        constant('momentum', options.momentum),
        constant('epsilon', options.epsilon),
        grad,
      ];
      return apply('ResourceApplyRMSProp', inputs, [slot('RMSProp', 1), slot('RMSProp_1', 0)]);
    }
    default:
      return unreachable(options.optimizer);
  }
}

/** The logical name of a variable's slot. */
type SlotNamer = (variable: VariableResource, slot: string) => string;

/**
 * `w/Momentum`, or where the model has a variable of that name `w/Momentum_1`, …, as TensorFlow makes names unique. The
 * same for all sets of variables, and for shadows, which are saved under the names of the towers.
 */
function slotNamer(module: Module): SlotNamer {
  const taken = shownVariableNames(module);
  const sets = new Map<string, VariableResource[]>();
  for (const variable of module.resources.values()) {
    if (variable.kind !== 'variable') continue;
    if (variable.savedAs !== null) taken.add(variable.savedAs);
    const set = sets.get(variable.name);
    if (set === undefined) sets.set(variable.name, [variable]);
    else set.push(variable);
  }
  const chosen = new Map<string, string>();
  return ({ name }, slot) => {
    const known = chosen.get(`${slot} ${name}`);
    if (known !== undefined) return known;
    const inSets = (suffix: string): string[] =>
      (sets.get(name) ?? []).flatMap((variable) =>
        [resourceName(variable), variable.savedAs].flatMap((own) => (own === null ? [] : own + suffix)),
      );
    let suffix = `/${slot}`;
    for (let i = 1; inSets(suffix).some((each) => taken.has(each)); i++) suffix = `/${slot}_${i}`;
    for (const each of inSets(suffix)) taken.add(each);
    chosen.set(`${slot} ${name}`, name + suffix);
    return name + suffix;
  };
}

function addSlot(
  editor: GraphEditor,
  variable: VariableResource,
  slot: string,
  start: number,
  options: Options,
  { slotNames, initializers }: Shared,
): ResourceId {
  const why = { reason: `slot of ${options.optimizer}, beside its variable` };
  const name = slotNames(variable, slot);
  const suffix = name.slice(variable.name.length);
  const savedAs = variable.savedAs === null ? null : `${variable.savedAs}${suffix}`;
  const { id: _, origin: __, ...rest } = variable;
  const id = editor.addResource({ ...rest, name, trainable: false, slotOf: variable.id, savedAs }, why);
  editor.decide({
    about: 'slot',
    subject: id,
    chosen: variable.device,
    candidates: [],
    rule: 'beside its variable, past every balancer',
    option: `optimizer=${options.optimizer}`,
  });
  const common = {
    device: variable.device,
    replica: variable.replica,
    variable: name,
    phase: 'init' as const,
  };
  const value = editor.addNode(
    {
      op: 'Fill',
      name: `${name}/Initializer/Fill`,
      attrs: { shape: variable.shape, value: start, dtype: variable.dtype },
      ...common,
    },
    why,
  );
  const node = editor.addNode(
    {
      op: 'AssignVariableOp',
      name: `${name}/Assign`,
      inputs: [{ node: value, port: 0 }],
      resources: [id],
      ...common,
    },
    why,
  );
  editor.addRole({ kind: 'initializer', replica: variable.replica, variable: name, node }, why);
  initializers.push(node);
  return id;
}
