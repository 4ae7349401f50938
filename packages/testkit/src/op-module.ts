import {
  builtinRegistry,
  type Entry,
  edit,
  emptyModule,
  type GraphEditor,
  gradients,
  isFloat,
  localCluster,
  type Module,
  type NodeId,
  PlacewrightError,
  type ResourceId,
  type TensorRef,
  type TensorValue,
} from '@placewright/ir';
import type { DerivedInput, OpCase } from './arbitraries/ops/case.js';
import type { Feeds } from './lowered.js';
import { randomFloats, randomSource } from './random.js';

/** A module that runs one op, placed and ready for any engine, with what to feed it. */
export interface OpModule {
  readonly module: Module;
  readonly feeds: Feeds;
}

const WHY = { reason: 'a case of one op' };
const HOME = '/device:CPU:0';

/** What several steps of building need. */
interface Build {
  readonly editor: GraphEditor;
  readonly plan: OpCase;
  readonly feeds: Map<string, TensorValue>;
  readonly placeholders: { name: string; node: NodeId }[];
}

/**
 * The module of a case: `init` sets the variables, `step` feeds `in0`, `in1`, … and fetches `out0`, `out1`, …, and with
 * `backward` also `sum`, a weighted sum of the float outputs, and `grad0`, …, its gradients by those inputs that it depends on.
 */
export function opModule(plan: OpCase, options: { readonly backward?: boolean } = {}): OpModule {
  const feeds = new Map<string, TensorValue>();
  const { module } = edit(emptyModule(`case of ${plan.op}`), builtinRegistry, 'build', (editor) => {
    const build: Build = { editor, plan, feeds, placeholders: [] };
    if (plan.op === 'NcclAllReduce') return buildCollective(build);
    if (plan.op === 'Unstage') return buildBuffer(build, 'stagingArea');
    if (plan.op === 'QueueDequeueV2' || plan.op === 'QueueDequeueManyV2') return buildBuffer(build, 'queue');
    const inputs = addInputs(build);
    const variables = plan.variables.map((value, i) => addVariable(editor, value, i));
    const device = plan.op === 'Transfer' ? '/device:GPU:0' : HOME;
    const node = editor.addNode(
      {
        op: plan.op,
        name: 'case',
        inputs,
        attrs: plan.attrs,
        resources: variables.map(({ id }) => id),
        device,
      },
      WHY,
    );
    const outputs = editor.node(node).outputs.map((_, port) => ({ node, port }));
    const backward = options.backward === true ? addBackward(build, inputs, outputs) : [];
    finish(build, [...named('out', outputs), ...backward], [[node]]);
    const init = variables.map(({ assign }) => assign);
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [init] });
  });
  return { module, feeds };
}

/** The case with all its floats in float64: for differences that float32 would drown. */
export function inFloat64(plan: OpCase): OpCase {
  const wide = <T extends OpCase['inputs'][number] | number>(input: T): T =>
    typeof input === 'object' && 'data' in input ? { ...input, ...withDType(input, 'float64') } : input;
  const inputs = plan.inputs.map((input) =>
    'data' in input ? wide(input) : { ...input, inputs: input.inputs.map(wide) },
  );
  const attrs = Object.fromEntries(
    Object.entries(plan.attrs).map(([name, value]) => [name, value === 'float32' ? 'float64' : value]),
  );
  return { ...plan, inputs, attrs, variables: plan.variables.map(wide) };
}

function withDType(value: TensorValue, dtype: 'float32' | 'float64'): TensorValue {
  if (value.dtype !== 'float32' || dtype === 'float32') return value;
  return { dtype, shape: value.shape, data: Float64Array.from(value.data as Float32Array) };
}

/** Whether gradients flow through the op of a case. */
export function hasBackward(plan: OpCase): boolean {
  const gradient = builtinRegistry.ops.get(plan.op)?.gradient;
  return typeof gradient === 'function' && plan.variables.length === 0 && floatInputs(plan).length > 0;
}

function floatInputs({ inputs, constants }: OpCase): number[] {
  return inputs.flatMap((input, i) =>
    'data' in input && isFloat(input.dtype) && input.data.length > 0 && !constants.includes(i) ? [i] : [],
  );
}

type Fetch = Entry['fetches'][number];

const named = (prefix: string, tensors: readonly TensorRef[]) =>
  tensors.map((tensor, i) => ({ name: `${prefix}${i}`, tensor }));

function finish(build: Build, fetches: Fetch[], rounds: NodeId[][]): void {
  const { editor, placeholders } = build;
  editor.setEntry({ name: 'step', feeds: placeholders, fetches, rounds });
  editor.setFrame({ towers: 1, cluster: localCluster({ numGpus: 4 }) });
}

function addInputs(build: Build): TensorRef[] {
  const given: TensorRef[] = [];
  // Derived inputs take given ones, whatever their order.
  build.plan.inputs.forEach((input, i) => {
    if ('data' in input) given[i] = addInput(build, input, i, HOME);
  });
  return build.plan.inputs.map((input, i) => given[i] ?? addDerived(build, input as DerivedInput, given));
}

function addInput(build: Build, value: TensorValue, index: number, device: string): TensorRef {
  const { editor, plan, feeds, placeholders } = build;
  if (plan.constants.includes(index) || value.data.length === 0) return addConstant(editor, value);
  const name = `in${index}`;
  const [, ...rest] = value.shape;
  const shape = plan.dynamic && value.shape.length > 1 ? [null, ...rest] : value.shape;
  const attrs = { dtype: value.dtype, shape };
  const node = editor.addNode({ op: 'Placeholder', name, attrs, device, phase: 'input' }, WHY);
  placeholders.push({ name, node });
  feeds.set(name, value);
  return { node, port: 0 };
}

function addConstant(editor: GraphEditor, value: TensorValue): TensorRef {
  return {
    node: editor.addNode({ op: 'Const', name: 'const', attrs: { value }, device: HOME }, WHY),
    port: 0,
  };
}

function addDerived({ editor }: Build, input: DerivedInput, given: readonly TensorRef[]): TensorRef {
  const inputs = input.inputs.map((from) =>
    typeof from === 'number' ? (given[from] ?? missing()) : addConstant(editor, from),
  );
  const node = editor.addNode(
    { op: input.op, name: 'derived', inputs, attrs: input.attrs, device: HOME },
    WHY,
  );
  return { node, port: input.port };
}

function missing(): never {
  throw new PlacewrightError('PW_OP_INPUT', 'a derived input takes one that is not given', {
    kind: 'internal',
  });
}

function addVariable(
  editor: GraphEditor,
  value: TensorValue,
  index: number,
): { id: ResourceId; assign: NodeId } {
  const id = editor.addResource(
    {
      kind: 'variable',
      container: '',
      device: HOME,
      replica: null,
      name: `var${index}`,
      scope: '',
      dtype: value.dtype,
      shape: value.shape,
      trainable: false,
      collection: 'global',
      slotOf: null,
      savedAs: null,
    },
    WHY,
  );
  const inputs = [addConstant(editor, value)];
  const spec = { op: 'AssignVariableOp', name: `var${index}/Assign`, inputs, resources: [id], device: HOME };
  return { id, assign: editor.addNode({ ...spec, phase: 'init' }, WHY) };
}

/** Gradients of Σ (weights · output) by the float inputs; the weights are fixed, and other for each element. */
function addBackward(
  { editor, plan }: Build,
  inputs: readonly TensorRef[],
  outputs: readonly TensorRef[],
): Fetch[] {
  const random = randomSource(outputs.length);
  const before = new Set(editor.graph.nodes.keys());
  const terms = outputs.flatMap((output) => {
    const { dtype, shape } = editor.type(output);
    if (dtype !== 'float32' && dtype !== 'float64') return [];
    // An unknown first dimension takes weights that are the same for all its rows.
    const known = shape.map((dim) => dim ?? 1);
    const weights = addConstant(editor, withDType(randomFloats(known, random, [0.5, 1.5]), dtype));
    const axis = shape.map((_, i) => i);
    return [add(editor, 'Sum', [add(editor, 'Mul', [output, weights])], { axis })];
  });
  const [first] = terms;
  if (first === undefined) return [];
  const loss = add(editor, 'AddN', terms);
  const wanted = floatInputs(plan).map((i) => ({ name: `grad${i}`, x: inputs[i] ?? missing() }));
  const xs = wanted.map(({ x }) => x);
  const found = gradients(editor, builtinRegistry, [loss], xs);
  for (const [id, node] of editor.graph.nodes)
    if (!before.has(id) && node.device === '') editor.updateNode(id, { device: HOME }, WHY);
  const fetches = wanted.flatMap(({ name }, i) => {
    const tensor = found[i];
    return tensor === null || tensor === undefined ? [] : [{ name, tensor }];
  });
  return [{ name: 'sum', tensor: loss }, ...fetches];
}

function add(editor: GraphEditor, op: string, inputs: readonly TensorRef[], attrs = {}): TensorRef {
  return { node: editor.addNode({ op, name: op, inputs, attrs, device: HOME }, WHY), port: 0 };
}

/** One member on each device, in the order of their towers. */
function buildCollective(build: Build): void {
  const { editor, plan } = build;
  const members = plan.inputs.map((value, replica) => {
    const device = `/device:GPU:${replica}`;
    const input = addInput(build, value as TensorValue, replica, device);
    const attrs = { num_devices: plan.inputs.length, shared_name: 'all' };
    return editor.addNode({ op: plan.op, name: 'member', inputs: [input], attrs, device, replica }, WHY);
  });
  finish(
    build,
    named(
      'out',
      members.map((node) => ({ node, port: 0 })),
    ),
    [members],
  );
  editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [[]] });
  editor.setFrame({ towers: members.length });
}

/** `warmUp` puts the value, `step` gets it and puts it again; what gets two tuples at once waits for that. */
function buildBuffer(build: Build, kind: 'stagingArea' | 'queue'): void {
  const { editor, plan } = build;
  const inputs = addInputs(build);
  const types = inputs.map((ref) => editor.type(ref));
  const common = { container: '', device: HOME, replica: null };
  const area = editor.addResource({ kind, name: 'area', types, capacity: 2, ...common }, WHY);
  const puts = kind === 'queue' ? 'QueueEnqueueV2' : 'Stage';
  const put = editor.addNode({ op: puts, name: 'put', inputs, resources: [area], device: HOME }, WHY);
  const { op, attrs } = plan;
  const get = editor.addNode({ op, name: 'get', attrs, resources: [area], device: HOME }, WHY);
  finish(
    build,
    named(
      'out',
      types.map((_, port) => ({ node: get, port })),
    ),
    [[put]],
  );
  editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [[]] });
  editor.setEntry({ name: 'warmUp', feeds: build.placeholders, fetches: [], rounds: [[put]] });
}
