import {
  builtinRegistry,
  DEFAULT_TRAINING,
  edit,
  emptyModule,
  type GraphEditor,
  type Module,
  type NodeId,
  type OptimizerSpec,
  type ResourceId,
  scalar,
  type TensorRef,
  type TrainingSpec,
} from '@placewright/ir';
import { named } from './parts.js';
import type { FlagPlan, PlacementPlan, VariablePlan } from './plan.js';
import { GLOBAL_STEP } from './variables.js';

const WHY = { reason: 'a variable to place' };

const OPTIMIZERS: Readonly<Record<FlagPlan['optimizer'], OptimizerSpec>> = {
  sgd: { kind: 'sgd', learningRate: 0.1 },
  momentum: { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
  rmsprop: { kind: 'rmsprop', learningRate: 0.1, decay: 0.9, momentum: 0.9, epsilon: 1 },
};

/** How a plan is trained. */
export function trainingOf({ flags }: PlacementPlan): TrainingSpec {
  return { ...DEFAULT_TRAINING, optimizer: OPTIMIZERS[flags.optimizer], clip: { kind: 'none' } };
}

/**
 * A module of these variables as `buildModel` would make it: the loss is a sum over all that the step reads, and what
 * inference alone reads is added to its own. Of any dtype, which a model definition has no way to ask for.
 */
export function placementSource(plan: PlacementPlan): Module {
  return edit(emptyModule('placement'), builtinRegistry, 'build', (editor) => {
    editor.setFrame({ training: trainingOf(plan) });
    const step = addVariable(editor, GLOBAL_STEP);
    const ids = plan.variables.map((variable) => ({ variable, id: addVariable(editor, variable).id }));
    const init = editor.roles.flatMap((role) => (role.kind === 'initializer' ? [role.node] : []));
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [init] });
    const updates = addStep(editor, ids);
    const one = constant(editor, 1, 'int64');
    const count = addAssign(editor, 'AssignAddVariableOp', GLOBAL_STEP, step.id, one, 'update');
    editor.addRole({ kind: 'globalStep', node: count });
    const loss = editor.roles.find((role) => role.kind === 'loss');
    if (loss === undefined) return;
    editor.setEntry({
      name: 'step',
      feeds: [],
      fetches: [{ name: 'loss', tensor: loss.tensor }],
      rounds: [[...updates, count]],
    });
    addEval(editor, ids);
  }).module;
}

interface Placed {
  readonly variable: VariablePlan;
  readonly id: ResourceId;
}

function addVariable(editor: GraphEditor, plan: VariablePlan): { id: ResourceId } {
  const { name, shape, dtype, collection, device, use } = plan;
  const id = editor.addResource(
    {
      kind: 'variable',
      container: '',
      device: device === null ? '' : named(device),
      replica: null,
      name,
      scope: '',
      dtype,
      shape,
      trainable: plan !== GLOBAL_STEP && (use === 'trained' || use === 'inference'),
      collection,
      slotOf: null,
      savedAs: name,
    },
    WHY,
  );
  const attrs = { shape, value: 0, dtype };
  const value = editor.addNode(
    { op: 'Fill', name: `${name}/zeros`, attrs, phase: 'init', variable: name },
    WHY,
  );
  const node = addAssign(editor, 'AssignVariableOp', plan, id, { node: value, port: 0 }, 'init');
  editor.addRole({ kind: 'initializer', replica: null, variable: name, node });
  return { id };
}

function addAssign(
  editor: GraphEditor,
  op: string,
  { name }: VariablePlan,
  id: ResourceId,
  value: TensorRef,
  phase: 'init' | 'update',
): NodeId {
  const spec = { op, name: `${name}/${op}`, inputs: [value], resources: [id], variable: name, phase };
  return editor.addNode(spec, WHY);
}

function constant(editor: GraphEditor, value: number, dtype: 'float32' | 'int64'): TensorRef {
  const attrs = { value: scalar(dtype, value) };
  return { node: editor.addNode({ op: 'Const', name: 'const', attrs, phase: 'forward' }, WHY), port: 0 };
}

function addStep(editor: GraphEditor, ids: readonly Placed[]): NodeId[] {
  const inside = ids.filter(({ variable }) => variable.use !== 'inference');
  const terms = inside.map((placed) => ({ ...placed, value: addRead(editor, placed, 'forward') }));
  const tensor = addSum(editor, terms, 'forward');
  editor.addRole({ kind: 'loss', replica: null, tensor });
  return terms.flatMap(({ variable, id, value }) => {
    // There is no arithmetic of truth values.
    if (variable.use !== 'averaged') return [];
    const op = variable.dtype === 'bool' ? 'AssignVariableOp' : 'AssignSubVariableOp';
    const node = addAssign(editor, op, variable, id, value, 'update');
    editor.addRole({ kind: 'update', replica: null, variable: variable.name, node });
    return [node];
  });
}

function addEval(editor: GraphEditor, ids: readonly Placed[]): void {
  const terms = ids.map((placed) => ({ ...placed, value: addRead(editor, placed, 'eval') }));
  const tensor = addSum(editor, terms, 'eval');
  editor.setEntry({ name: 'eval', feeds: [], fetches: [{ name: 'loss', tensor }], rounds: [[]] });
}

type ReadPhase = 'forward' | 'eval';

function addRead(editor: GraphEditor, { variable: { name }, id }: Placed, phase: ReadPhase): TensorRef {
  const spec = { op: 'ReadVariableOp', name: `${name}/read`, resources: [id], variable: name, phase };
  return { node: editor.addNode(spec, WHY), port: 0 };
}

/** The sum over all elements of all of them, as float32. */
function addSum(
  editor: GraphEditor,
  terms: readonly { readonly variable: VariablePlan; readonly value: TensorRef }[],
  phase: ReadPhase,
): TensorRef {
  const add = (op: string, inputs: readonly TensorRef[], attrs = {}): TensorRef => ({
    node: editor.addNode({ op, name: op, inputs, attrs, phase }, WHY),
    port: 0,
  });
  return terms.reduce(
    (sum, { variable: { dtype, shape }, value }) => {
      const floats = dtype === 'float32' ? value : add('Cast', [value], { DstT: 'float32' });
      const total = add('Sum', [floats], { axis: shape.map((_, i) => i) });
      return add('AddV2', [sum, total]);
    },
    constant(editor, 0, 'float32'),
  );
}
