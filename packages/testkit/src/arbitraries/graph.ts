import {
  builtinRegistry,
  type Cluster,
  edit,
  emptyModule,
  type GraphEditor,
  type Module,
  type NodeId,
  PHASES,
  type Phase,
  type ResourceId,
  type TensorRef,
  type TensorValue,
  type TrainingSpec,
} from '@placewright/ir';
import fc from 'fast-check';
import { anyClusters } from './cluster.js';
import { deviceNames } from './device.js';
import { anyNames } from './names.js';
import { trainings } from './options.js';
import { record } from './record.js';
import { anyTensors } from './tensor.js';

/** One node of a random graph; numbers choose among what came before, modulo how much that is. */
export interface NodePlan {
  readonly op: 'Const' | 'Identity' | 'Shape' | 'ZerosLike' | 'NoOp' | 'Read' | 'Assign' | 'Split' | 'Fill';
  readonly name: string;
  readonly value: TensorValue;
  readonly input: number;
  readonly controls: readonly number[];
  readonly device: string;
  readonly replica: number | null;
  readonly phase: Phase;
  readonly group: string;
  readonly colocation: string | null;
  readonly reason: string;
}

/** A random module as plain data: any graph at all, whether it means something or not. For formats and traversals. */
export interface GraphPlan {
  readonly name: string;
  readonly nodes: readonly NodePlan[];
  readonly variables: readonly {
    readonly name: string;
    readonly scope: string;
    readonly savedAs: string | null;
  }[];
  readonly training: TrainingSpec | null;
  readonly cluster: Cluster | null;
}

export interface GraphBounds {
  readonly maxNodes?: number;
}

export function graphPlans({ maxNodes = 12 }: GraphBounds = {}): fc.Arbitrary<GraphPlan> {
  const name = anyNames();
  const node: fc.Arbitrary<NodePlan> = record({
    op: fc.constantFrom('Const', 'Identity', 'Shape', 'ZerosLike', 'NoOp', 'Read', 'Assign', 'Split', 'Fill'),
    name,
    value: anyTensors(),
    input: fc.nat(99),
    controls: fc.array(fc.nat(99), { maxLength: 2 }),
    device: deviceNames(),
    replica: fc.option(fc.nat(3)),
    phase: fc.constantFrom(...PHASES),
    group: fc.oneof(fc.constant(''), name),
    colocation: fc.option(name),
    reason: fc.string({ unit: 'binary', maxLength: 8 }),
  });
  return record({
    name,
    nodes: fc.array(node, { maxLength: maxNodes, size: 'max' }),
    variables: fc.uniqueArray(
      record({ name, scope: fc.oneof(fc.constant(''), fc.constant('v0')), savedAs: fc.option(name) }),
      { maxLength: 3, selector: ({ name: own, scope }) => `${scope}/${own}` },
    ),
    training: fc.option(trainings()),
    cluster: fc.option(anyClusters()),
  });
}

const NUMERIC: readonly string[] = [
  'float32',
  'float64',
  'int32',
  'int64',
  'uint8',
  'float16',
  'bfloat16',
  'bool',
];

/** The module of a plan: types right, no cycle, names unique; nothing else is promised. */
export function graphOf(plan: GraphPlan): Module {
  return edit(emptyModule(plan.name), builtinRegistry, 'build', (editor) => {
    const variables = plan.variables.map((variable) => addVariable(editor, variable));
    const tensors: TensorRef[] = [];
    const nodes: NodeId[] = [];
    for (const spec of plan.nodes) {
      const node = addNode(editor, spec, tensors, nodes, variables);
      if (node === undefined) continue;
      nodes.push(node);
      tensors.push(...editor.node(node).outputs.map((_, port) => ({ node, port })));
    }
    editor.setFrame({ training: plan.training, cluster: plan.cluster });
    addEntry(editor, tensors, nodes);
  }).module;
}

function addVariable(
  editor: GraphEditor,
  { name, scope, savedAs }: GraphPlan['variables'][number],
): ResourceId {
  return editor.addResource(
    {
      kind: 'variable',
      container: '',
      device: '',
      replica: null,
      name,
      scope,
      dtype: 'float32',
      shape: [2],
      trainable: true,
      collection: 'global',
      slotOf: null,
      savedAs,
    },
    { reason: 'random' },
  );
}

function addNode(
  editor: GraphEditor,
  plan: NodePlan,
  tensors: readonly TensorRef[],
  nodes: readonly NodeId[],
  variables: readonly ResourceId[],
): NodeId | undefined {
  const { op, input, name, device, replica, phase, group, colocation } = plan;
  const pick = <T>(items: readonly T[], at: number): T | undefined => items[at % Math.max(1, items.length)];
  const tensor = pick(tensors, input);
  const variable = pick(variables, input);
  const from = tensor === undefined ? [] : [tensor.node];
  const controls = [...new Set(plan.controls.flatMap((at) => pick(nodes, at) ?? []))];
  const why = { reason: plan.reason, from };
  const add = (kind: string, more = {}): NodeId =>
    editor.addNode({ op: kind, name, device, replica, phase, group, colocation, controls, ...more }, why);
  switch (op) {
    case 'Const':
      return add('Const', { attrs: { value: plan.value } });
    case 'Fill':
      return add('Fill', { attrs: { shape: plan.value.shape, value: input / 3, dtype: 'float32' } });
    case 'NoOp':
      return add('NoOp');
    case 'Read':
      return variable === undefined ? undefined : add('ReadVariableOp', { resources: [variable] });
    case 'Assign': {
      const float = tensors.find((ref) => isPair(editor, ref));
      if (variable === undefined || float === undefined) return undefined;
      return add('AssignVariableOp', { resources: [variable], inputs: [float] });
    }
    case 'Split': {
      if (tensor === undefined || (editor.type(tensor).shape[0] ?? 1) % 2 !== 0) return undefined;
      if (editor.type(tensor).shape.length === 0) return undefined;
      return add('Split', { inputs: [tensor], attrs: { axis: 0, num_split: 2 } });
    }
    case 'Identity':
    case 'Shape':
    case 'ZerosLike': {
      if (tensor === undefined || !NUMERIC.includes(editor.type(tensor).dtype)) return undefined;
      return add(op, { inputs: [tensor] });
    }
  }
}

function isPair(editor: GraphEditor, ref: TensorRef): boolean {
  const { dtype, shape } = editor.type(ref);
  return dtype === 'float32' && shape.length === 1 && shape[0] === 2;
}

function addEntry(editor: GraphEditor, tensors: readonly TensorRef[], nodes: readonly NodeId[]): void {
  const [first] = tensors;
  const last = nodes.at(-1);
  editor.setEntry({
    name: 'step',
    feeds: [],
    fetches: first === undefined ? [] : [{ name: 'first', tensor: first }],
    rounds: last === undefined ? [[]] : [[last], nodes.slice(0, 2)],
  });
  if (first !== undefined) editor.addRole({ kind: 'loss', replica: null, tensor: first });
  if (last !== undefined) {
    const candidates = [{ name: 'a', load: 1 }];
    editor.addRole({ kind: 'globalStep', node: last });
    editor.decide({ about: 'device', subject: last, chosen: 'x', candidates, rule: 'any', option: 'none' });
  }
}
