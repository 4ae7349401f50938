import type { DType, FloatDType, IntDType, NumberDType } from '../dtype.js';
import type { GraphEditor, Why } from '../editor.js';
import { PlacewrightError } from '../errors.js';
import type { NodeId, Phase, ResourceId, TensorRef } from '../graph.js';
import type { AttrInput } from '../op.js';
import { formatShape, type Shape, sameShape } from '../shape.js';
import { scalar, type TensorValue, tensorOf } from '../tensor.js';
import { addInitializer, type Initializer, nameSeed } from './initializer.js';

/** A tensor of the graph being built; its element type is known to TypeScript, its shape is inferred as it is built. */
export interface Tensor<D extends DType = DType> extends TensorRef {
  readonly dtype: D;
  readonly shape: Shape;
}

export type DataFormat = 'NHWC' | 'NCHW';
export type Padding = 'SAME' | 'VALID';

export interface WindowOptions {
  readonly strides?: number | readonly [number, number];
  readonly padding?: Padding;
  readonly dataFormat?: DataFormat;
}

export interface VariableOptions {
  readonly shape: readonly number[];
  readonly initializer?: Initializer;
  readonly trainable?: boolean;
  /** `local` for one that belongs to its task; a strategy may make global ones local. */
  readonly collection?: 'global' | 'local';
}

/** What a variable is to the builder: its resource, and the one read that all its uses in a graph share. */
export interface VariableHandle {
  readonly id: ResourceId;
  readonly name: string;
  readonly value: Tensor<'float32'>;
}

type Floats = FloatDType;
type Pair = number | readonly [number, number];

/** Name of the variable that counts the steps; every module has it. */
export const GLOBAL_STEP = 'global_step';

/** State that the builders of one module's entries share. */
export interface BuildState {
  readonly seed: number;
  readonly variables: Map<string, ResourceId>;
  readonly initializers: NodeId[];
}

/**
 * Builds the graph of one entry, in the manner of a model definition: every method adds a node and gives its tensor.
 * A wrong dtype or arity is a compile error; a wrong shape an error PW_OP_INPUT or PW_SHAPE_MISMATCH that names the node.
 */
export class ModelBuilder {
  /** Whether the graph is the one that is trained: batch normalisation and dropout ask for it. */
  readonly training: boolean;
  readonly #editor: GraphEditor;
  readonly #state: BuildState;
  readonly #phase: Phase;
  readonly #reads = new Map<string, VariableHandle>();
  readonly #updates: NodeId[] = [];
  #steps: Tensor<'int64'> | null = null;
  #groups: readonly string[] = [];

  constructor(editor: GraphEditor, state: BuildState, options: { readonly training: boolean }) {
    this.#editor = editor;
    this.#state = state;
    this.training = options.training;
    this.#phase = options.training ? 'forward' : 'eval';
  }

  /** Nodes that must run though nothing reads them: updates of moving averages. */
  get updates(): readonly NodeId[] {
    return this.#updates;
  }

  /** Names what `body` builds `name/…` and puts it into that group of the folded graph. */
  group<T>(name: string, body: () => T): T {
    const outer = this.#groups;
    this.#groups = [...outer, name];
    try {
      return body();
    } finally {
      this.#groups = outer;
    }
  }

  /** Adds a node of any declared op, a user's own too. The dtype is the caller's word and is checked. */
  op<D extends DType = DType>(op: string, inputs: readonly Tensor[], options: OpOptions<D> = {}): Tensor<D> {
    return this.#port<D>(this.#add(op, inputs, options), 0, options.dtype);
  }

  /** As `op`, for an op of several outputs. */
  ops(op: string, inputs: readonly Tensor[], options: OpOptions<DType> = {}): readonly Tensor[] {
    const node = this.#add(op, inputs, options);
    return this.#editor.node(node).outputs.map((_, port) => this.#port(node, port, undefined));
  }

  /**
   * The variable of that name (with the groups around it in front), created on first use, and its value.
   * Throws PW_VARIABLE_SHAPE when it exists with another shape.
   */
  variable(name: string, options: VariableOptions): VariableHandle {
    const full = [...this.#groups, name].join('/');
    const known = this.#reads.get(full);
    if (known !== undefined) {
      this.#checkShape(full, known.value.shape, options.shape);
      return known;
    }
    const id = this.#state.variables.get(full) ?? this.#createVariable(full, options);
    const resource = this.#editor.resource(id);
    if (resource.kind === 'variable') this.#checkShape(full, resource.shape, options.shape);
    const node = this.#editor.addNode(
      {
        op: 'ReadVariableOp',
        name: this.training ? `${full}/read` : `eval/${full}/read`,
        resources: [id],
        variable: full,
        phase: this.#phase,
        group: this.#groups.join('/'),
      },
      { reason: `reads ${full}` },
    );
    const handle: VariableHandle = { id, name: full, value: this.#port(node, 0, 'float32') };
    this.#reads.set(full, handle);
    return handle;
  }

  /** Runs `variable -= delta` every step, outside of the optimizer: a moving average. */
  assignSub(variable: VariableHandle, delta: Tensor<'float32'>): void {
    const node = this.#add('AssignSubVariableOp', [delta], {
      name: 'AssignSub',
      resources: [variable.id],
      variable: variable.name,
      phase: 'update',
    });
    this.#editor.addRole({ kind: 'update', replica: null, variable: variable.name, node });
    this.#updates.push(node);
  }

  /** How many steps were taken before this one, int64: the same for all towers. For what changes with every step. */
  globalStep(): Tensor<'int64'> {
    if (this.#steps !== null) return this.#steps;
    const name = GLOBAL_STEP;
    const id = this.#state.variables.get(name);
    const node = this.#editor.addNode(
      {
        op: 'ReadVariableOp',
        name: this.training ? `${name}/read` : `eval/${name}/read`,
        resources: id === undefined ? [] : [id],
        variable: name,
        phase: this.#phase,
      },
      { reason: 'reads how many steps were taken' },
    );
    this.#steps = this.#port(node, 0, 'int64');
    return this.#steps;
  }

  /** A seed, 31 bits, that depends on the seed of the model, on `name` and on the groups around it. */
  seedOf(name: string): number {
    return nameSeed([...this.#groups, name].join('/'), this.#state.seed);
  }

  // Constants and shapes

  constant(value: number, name = 'Const'): Tensor<'float32'> {
    if (typeof value !== 'number') {
      throw new PlacewrightError('PW_ATTR_TYPE', `constant ${JSON.stringify(name)} is no number`, {
        hint: 'give a number; `value` takes a whole tensor',
      });
    }
    return this.op('Const', [], { name, attrs: { value: scalar('float32', value) }, dtype: 'float32' });
  }

  value<D extends NumberDType>(value: TensorValue & { readonly dtype: D }, name = 'Const'): Tensor<D> {
    return this.op('Const', [], { name, attrs: { value }, dtype: value.dtype });
  }

  /** `shape` may hold one -1, which takes what is left. */
  reshape<D extends NumberDType>(x: Tensor<D>, shape: readonly number[], name = 'Reshape'): Tensor<D> {
    const to = this.op('Const', [], {
      name: `${name}/shape`,
      attrs: { value: tensorOf('int32', [shape.length], shape) },
      dtype: 'int32',
    });
    return this.op('Reshape', [x, to], { name, dtype: x.dtype });
  }

  /** `[batch, …]` to `[batch, features]`. The other dimensions must be known. */
  flatten<D extends NumberDType>(x: Tensor<D>): Tensor<D> {
    const features = x.shape
      .slice(1)
      .reduce<number | null>((n, dim) => (n === null || dim === null ? null : n * dim), 1);
    if (features === null) {
      throw new PlacewrightError(
        'PW_SHAPE_UNKNOWN',
        `cannot flatten a tensor of shape ${formatShape(x.shape)}`,
        {
          hint: 'only the batch may be unknown',
        },
      );
    }
    return this.reshape(x, [-1, features], 'Flatten');
  }

  transpose<D extends NumberDType>(x: Tensor<D>, perm: readonly number[]): Tensor<D> {
    return this.op('Transpose', [x], { attrs: { perm }, dtype: x.dtype });
  }

  cast<D extends DType>(x: Tensor, dtype: D): Tensor<D> {
    return this.op('Cast', [x], { attrs: { DstT: dtype }, dtype });
  }

  identity<D extends NumberDType>(x: Tensor<D>, name = 'Identity'): Tensor<D> {
    return this.op('Identity', [x], { name, dtype: x.dtype });
  }

  // Arithmetic, with broadcasting

  add<D extends NumberDType>(a: Tensor<D>, b: Tensor<NoInfer<D>>, name = 'add'): Tensor<D> {
    return this.op('AddV2', [a, b], { name, dtype: a.dtype });
  }

  sub<D extends NumberDType>(a: Tensor<D>, b: Tensor<NoInfer<D>>, name = 'sub'): Tensor<D> {
    return this.op('Sub', [a, b], { name, dtype: a.dtype });
  }

  mul<D extends NumberDType>(a: Tensor<D>, b: Tensor<NoInfer<D>>, name = 'mul'): Tensor<D> {
    return this.op('Mul', [a, b], { name, dtype: a.dtype });
  }

  div<D extends Floats>(a: Tensor<D>, b: Tensor<NoInfer<D>>, name = 'truediv'): Tensor<D> {
    return this.op('RealDiv', [a, b], { name, dtype: a.dtype });
  }

  square<D extends Floats>(x: Tensor<D>): Tensor<D> {
    return this.op('Square', [x], { dtype: x.dtype });
  }

  tanh<D extends Floats>(x: Tensor<D>): Tensor<D> {
    return this.op('Tanh', [x], { dtype: x.dtype });
  }

  sigmoid<D extends Floats>(x: Tensor<D>): Tensor<D> {
    return this.op('Sigmoid', [x], { dtype: x.dtype });
  }

  /** Mean over `axes`; over all when left out. */
  mean<D extends Floats>(
    x: Tensor<D>,
    axes: readonly number[] = x.shape.map((_, i) => i),
    name = 'Mean',
  ): Tensor<D> {
    return this.op('Mean', [x], { name, attrs: { axis: axes }, dtype: x.dtype });
  }

  /** Sum over `axes`; over all when left out. */
  sum<D extends NumberDType>(
    x: Tensor<D>,
    axes: readonly number[] = x.shape.map((_, i) => i),
    name = 'Sum',
  ): Tensor<D> {
    return this.op('Sum', [x], { name, attrs: { axis: axes }, dtype: x.dtype });
  }

  /** `[m, k] × [k, n] → [m, n]`. */
  matMul<D extends Floats>(
    a: Tensor<D>,
    b: Tensor<NoInfer<D>>,
    options: { readonly transposeA?: boolean; readonly transposeB?: boolean } = {},
  ): Tensor<D> {
    const attrs = { transpose_a: options.transposeA ?? false, transpose_b: options.transposeB ?? false };
    return this.op('MatMul', [a, b], { attrs, dtype: a.dtype });
  }

  // Neural networks

  relu<D extends Floats>(x: Tensor<D>): Tensor<D> {
    return this.op('Relu', [x], { dtype: x.dtype });
  }

  biasAdd<D extends Floats>(
    x: Tensor<D>,
    bias: Tensor<NoInfer<D>>,
    dataFormat: DataFormat = 'NHWC',
  ): Tensor<D> {
    return this.op('BiasAdd', [x, bias], { attrs: { data_format: dataFormat }, dtype: x.dtype });
  }

  /** `x` in `dataFormat`, filter `[height, width, in, out]`. */
  conv2d<D extends Floats>(x: Tensor<D>, filter: Tensor<NoInfer<D>>, options: WindowOptions = {}): Tensor<D> {
    const { strides = 1, padding = 'SAME', dataFormat = 'NHWC' } = options;
    return this.op('Conv2D', [x, filter], {
      attrs: { strides: window(strides, dataFormat), padding, data_format: dataFormat },
      dtype: x.dtype,
    });
  }

  maxPool<D extends Floats>(x: Tensor<D>, size: Pair, options: WindowOptions = {}): Tensor<D> {
    return this.op('MaxPool', [x], { attrs: poolAttrs(size, options), dtype: x.dtype });
  }

  avgPool<D extends Floats>(x: Tensor<D>, size: Pair, options: WindowOptions = {}): Tensor<D> {
    return this.op('AvgPool', [x], { attrs: poolAttrs(size, options), dtype: x.dtype });
  }

  softmax<D extends Floats>(logits: Tensor<D>): Tensor<D> {
    return this.op('Softmax', [logits], { dtype: logits.dtype });
  }

  /** Loss of each example, `[batch]`, of logits `[batch, classes]` and labels `[batch]` from 0. */
  sparseSoftmaxCrossEntropy<D extends Floats>(
    logits: Tensor<D>,
    labels: Tensor<'int32' | 'int64'>,
  ): Tensor<D> {
    return this.op('SparseSoftmaxCrossEntropyWithLogits', [logits, labels], {
      name: 'xentropy',
      dtype: logits.dtype,
    });
  }

  /** How many examples of the batch have their largest logit at their label; a float32 scalar. */
  correctCount(logits: Tensor<'float32'>, labels: Tensor<IntDType>): Tensor<'float32'> {
    const best = this.op('ArgMax', [logits], { attrs: { axis: 1 }, dtype: 'int64' });
    const hit = this.op('Equal', [best, this.cast(labels, 'int64')], { dtype: 'bool' });
    return this.sum(this.cast(hit, 'float32'), [0], 'correct');
  }

  #add(op: string, inputs: readonly Tensor[], options: OpOptions<DType>): NodeId {
    const name = [...this.#groups, options.name ?? op].join('/');
    const why: Why = {
      reason: `${this.training ? 'model' : 'inference model'} definition`,
      from: inputs.map(({ node }) => node),
    };
    return this.#editor.addNode(
      {
        op,
        name: this.training ? name : `eval/${name}`,
        inputs: inputs.map(({ node, port }) => ({ node, port })),
        attrs: options.attrs ?? {},
        resources: options.resources ?? [],
        variable: options.variable ?? null,
        device: options.device ?? '',
        phase: options.phase ?? this.#phase,
        group: this.#groups.join('/'),
      },
      why,
    );
  }

  #port<D extends DType>(node: NodeId, port: number, dtype: D | undefined): Tensor<D> {
    const type = this.#editor.type({ node, port });
    if (dtype !== undefined && type.dtype !== dtype) {
      throw new PlacewrightError(
        'PW_OP_DTYPE',
        `${this.#editor.node(node).op} gives ${type.dtype}, not ${dtype}`,
      );
    }
    return { node, port, dtype: type.dtype as D, shape: type.shape };
  }

  #createVariable(name: string, options: VariableOptions): ResourceId {
    const {
      shape,
      initializer = { kind: 'glorotUniform' },
      trainable = true,
      collection = 'global',
    } = options;
    const why: Why = { reason: `variable ${name} of the model definition` };
    const id = this.#editor.addResource(
      {
        kind: 'variable',
        container: '',
        device: '',
        replica: null,
        name,
        scope: '',
        dtype: 'float32',
        shape,
        trainable,
        collection,
        slotOf: null,
        savedAs: name,
      },
      why,
    );
    this.#state.variables.set(name, id);
    this.#state.initializers.push(
      addInitializer(
        this.#editor,
        initializer,
        { id, name, shape, seed: this.#state.seed, replica: null },
        why,
      ),
    );
    return id;
  }

  #checkShape(name: string, have: Shape, want: Shape): void {
    if (sameShape(have, want)) return;
    throw new PlacewrightError(
      'PW_VARIABLE_SHAPE',
      `variable ${JSON.stringify(name)} has the shape ${formatShape(have)}, not ${formatShape(want)}`,
      {
        hint: 'give the second variable a name of its own, or both the same shape',
      },
    );
  }
}

export interface OpOptions<D extends DType> {
  readonly name?: string;
  readonly attrs?: AttrInput;
  /** Expected element type of the first output. */
  readonly dtype?: D;
  readonly resources?: readonly ResourceId[];
  readonly variable?: string;
  readonly phase?: Phase;
  /** A device of the user's own, which placement keeps. */
  readonly device?: string;
}

function pair(value: Pair): readonly [number, number] {
  return typeof value === 'number' ? [value, value] : value;
}

function window(value: Pair, dataFormat: DataFormat): readonly number[] {
  const [height, width] = pair(value);
  return dataFormat === 'NHWC' ? [1, height, width, 1] : [1, 1, height, width];
}

function poolAttrs(size: Pair, options: WindowOptions): AttrInput {
  const { strides = size, padding = 'VALID', dataFormat = 'NHWC' } = options;
  return {
    ksize: window(size, dataFormat),
    strides: window(strides, dataFormat),
    padding,
    data_format: dataFormat,
  };
}
