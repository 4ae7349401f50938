import type { DType } from '../dtype.js';
import { edit, type GraphEditor } from '../editor.js';
import { PlacewrightError } from '../errors.js';
import { type Entry, emptyModule, type Module, type NodeId } from '../graph.js';
import type { OpRegistry } from '../op.js';
import { builtinRegistry } from '../registry.js';
import { formatShape, type Shape } from '../shape.js';
import { scalar } from '../tensor.js';
import { DEFAULT_TRAINING, type TrainingSpec } from '../training.js';
import { ancestors } from '../traverse.js';
import { type BuildState, GLOBAL_STEP, ModelBuilder, type Tensor } from './builder.js';

export interface InputSpec<D extends DType = DType> {
  readonly dtype: D;
  /** Without the batch, which is the unknown first dimension. */
  readonly shape: Shape;
}
export type InputSpecs = Readonly<Record<string, InputSpec>>;
export type InputTensors<I extends InputSpecs> = { readonly [K in keyof I]: Tensor<I[K]['dtype']> };

/** What a model's graph gives. */
export interface ModelOutputs {
  /** Scalar that training makes small: the mean over the batch. Weight decay is added by the compiler. */
  readonly loss: Tensor<'float32'>;
  /**
   * More tensors to fetch by name from `step` and `eval`. Over towers a float scalar is averaged, unless its name ends in
   * `Count`; that, and an integer, is added up; a tensor with dimensions is put together along the first.
   */
  readonly metrics?: Readonly<Record<string, Tensor>>;
}

/** A model: its inputs and the function that builds its graph, called once for training and once for inference. */
export interface ModelDef<I extends InputSpecs = InputSpecs> {
  readonly name: string;
  readonly inputs: I;
  readonly build: (b: ModelBuilder, inputs: InputTensors<I>) => ModelOutputs;
}

/** Names a model definition; its inputs' types are known in `build`. */
export function defineModel<const I extends InputSpecs>(def: ModelDef<I>): ModelDef<I> {
  return def;
}

export interface BuildOptions {
  readonly training?: TrainingSpec;
  /** Seed of the initial values. */
  readonly seed?: number;
  readonly registry?: OpRegistry;
}

/**
 * The module of a model before any pass: entries `init`, `step` (forward pass and loss) and `eval`, nothing placed.
 * Throws PW_MODEL_* and what the builder throws.
 */
export function buildModel<I extends InputSpecs>(def: ModelDef<I>, options: BuildOptions = {}): Module {
  const { training = DEFAULT_TRAINING, seed = 0, registry = builtinRegistry } = options;
  checkDefinition(def);
  if (Object.keys(def.inputs).length === 0) {
    throw new PlacewrightError('PW_MODEL_INPUTS', `model ${JSON.stringify(def.name)} has no inputs`, {
      hint: 'name at least one input',
    });
  }
  return edit(emptyModule(def.name), registry, 'build', (editor) => {
    const state: BuildState = { seed, variables: new Map(), initializers: [] };
    editor.setFrame({ training });
    const globalStep = addGlobalStep(editor, state);
    editor.setEntry(buildEntry(editor, def, state, 'step', [globalStep]));
    editor.setEntry(buildEntry(editor, def, state, 'eval'));
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [state.initializers] });
  }).module;
}

function buildEntry<I extends InputSpecs>(
  editor: GraphEditor,
  def: ModelDef<I>,
  state: BuildState,
  name: 'step' | 'eval',
  targets: readonly NodeId[] = [],
): Entry {
  const training = name === 'step';
  const feeds: { name: string; node: NodeId }[] = [];
  const inputs: Record<string, Tensor> = Object.create(null);
  for (const [input, { dtype, shape }] of Object.entries(def.inputs)) {
    const full = [null, ...shape];
    const node = editor.addNode(
      {
        op: 'Placeholder',
        name: training ? input : `eval/${input}`,
        attrs: { dtype, shape: full },
        phase: training ? 'input' : 'eval',
      },
      { reason: `input ${input} of the model definition` },
    );
    feeds.push({ name: input, node });
    inputs[input] = { node, port: 0, dtype, shape: full };
  }
  const builder = new ModelBuilder(editor, state, { training });
  const { loss, metrics = {} } = checkOutputs(def.name, def.build(builder, inputs as InputTensors<I>));
  if (loss.shape.length !== 0) {
    throw new PlacewrightError(
      'PW_MODEL_LOSS',
      `the loss of model ${JSON.stringify(def.name)} is not a scalar`,
      {
        hint: 'take its mean over the batch',
      },
    );
  }
  if (training) editor.addRole({ kind: 'loss', replica: null, tensor: { node: loss.node, port: loss.port } });
  checkMetrics(def.name, metrics);
  checkUsed(def.name, name, feeds, editor, [loss, ...Object.values(metrics)], builder.updates);
  const fetches = [['loss', loss] as const, ...Object.entries(metrics)].map(([key, { node, port }]) => ({
    name: key,
    tensor: { node, port },
  }));
  return { name, feeds, fetches, rounds: [training ? [...builder.updates, ...targets] : []] };
}

/** What TypeScript would have refused, for programs that it does not check. */
function checkDefinition(def: unknown): void {
  const { name, inputs, build } = (typeof def === 'object' && def !== null ? def : {}) as Partial<ModelDef>;
  if (
    typeof name === 'string' &&
    typeof inputs === 'object' &&
    inputs !== null &&
    typeof build === 'function'
  )
    return;
  throw new PlacewrightError(
    'PW_MODEL_DEFINITION',
    'this is no model: it needs a name, inputs, and a function build',
    {
      hint: 'make it with defineModel, or take one of the zoo: lenet()',
    },
  );
}

function checkOutputs(model: string, outputs: unknown): ModelOutputs {
  const { loss, metrics } = (
    typeof outputs === 'object' && outputs !== null ? outputs : {}
  ) as Partial<ModelOutputs>;
  for (const [name, tensor] of Object.entries({ loss, ...metrics })) {
    if (typeof tensor?.node === 'string' && Array.isArray(tensor.shape)) continue;
    const what = name === 'loss' ? 'no loss' : `no tensor for the metric ${JSON.stringify(name)}`;
    throw new PlacewrightError('PW_MODEL_OUTPUTS', `build of model ${JSON.stringify(model)} gives ${what}`, {
      hint: 'return { loss } with a scalar tensor of the builder, and metrics that are its tensors',
    });
  }
  return outputs as ModelOutputs;
}

function checkMetrics(model: string, metrics: Readonly<Record<string, Tensor>>): void {
  for (const [name, { dtype, shape }] of Object.entries(metrics)) {
    const fault =
      name === 'loss'
        ? 'has the name of the loss'
        : dtype === 'bool' || dtype === 'string'
          ? `is ${dtype}${formatShape(shape)}, which cannot be put together over towers`
          : null;
    if (fault === null) continue;
    throw new PlacewrightError(
      'PW_MODEL_METRIC',
      `metric ${JSON.stringify(name)} of model ${JSON.stringify(model)} ${fault}`,
      {
        hint: 'give it another name, or cast it to float32',
      },
    );
  }
}

/** Every input must be needed by what the graph gives. */
function checkUsed(
  model: string,
  entry: 'step' | 'eval',
  feeds: Entry['feeds'],
  editor: GraphEditor,
  outputs: readonly Tensor[],
  updates: readonly NodeId[],
): void {
  const needed = ancestors(editor.graph, [...outputs.map(({ node }) => node), ...updates]);
  const unused = feeds.filter(({ node }) => !needed.has(node)).map(({ name }) => JSON.stringify(name));
  if (unused.length === 0) return;
  const where = entry === 'step' ? 'training' : 'inference';
  throw new PlacewrightError(
    'PW_MODEL_INPUTS',
    `${where} of model ${JSON.stringify(model)} does not use ${unused.join(', ')}`,
    {
      hint: 'use the input, or leave it out',
    },
  );
}

/** The count of steps: a variable past every scope and balancer, and its increment. Gives the increment's node. */
function addGlobalStep(editor: GraphEditor, state: BuildState): NodeId {
  const name = GLOBAL_STEP;
  const why = { reason: 'counts the steps' };
  const variable = {
    kind: 'variable',
    container: '',
    device: '',
    replica: null,
    name,
    scope: '',
    dtype: 'int64',
    shape: [],
    trainable: false,
    collection: 'global',
    slotOf: null,
    savedAs: name,
  } as const;
  const id = editor.addResource(variable, why);
  state.variables.set(name, id);
  const constant = (op: 'Fill' | 'Const', node: string, value: number, phase: 'init' | 'update'): NodeId =>
    editor.addNode(
      {
        op,
        name: node,
        attrs: op === 'Fill' ? { shape: [], value, dtype: 'int64' } : { value: scalar('int64', value) },
        phase,
        variable: name,
      },
      why,
    );
  const zero = constant('Fill', `${name}/Initializer/zeros`, 0, 'init');
  const assign = editor.addNode(
    {
      op: 'AssignVariableOp',
      name: `${name}/Assign`,
      inputs: [{ node: zero, port: 0 }],
      resources: [id],
      phase: 'init',
      variable: name,
    },
    why,
  );
  editor.addRole({ kind: 'initializer', replica: null, variable: name, node: assign });
  state.initializers.push(assign);
  const one = constant('Const', `${name}/one`, 1, 'update');
  const increment = editor.addNode(
    {
      op: 'AssignAddVariableOp',
      name: `${name}/AssignAdd`,
      inputs: [{ node: one, port: 0 }],
      resources: [id],
      phase: 'update',
      variable: name,
    },
    why,
  );
  editor.addRole({ kind: 'globalStep', node: increment });
  return increment;
}
