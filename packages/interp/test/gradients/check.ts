import {
  type AttrInput,
  builtinRegistry,
  edit,
  emptyModule,
  gradients,
  isFloat,
  type Module,
  type OpRegistry,
  type TensorRef,
  type TensorValue,
  tensorOf,
  toNumbers,
} from '@placewright/ir';
import { createInterpreter, type Interpreter } from '../../src/index.js';
import { xorshift } from '../../src/schedule.js';
import { graphBuilder, randomTensor, sizeOf } from '../support.js';
import type { GradientCase, Variable } from './cases.js';

const STEP = 1e-5;

export const isVariable = (input: Variable | TensorValue): input is Variable => !('data' in input);

/**
 * Values for the variables, no two of which are nearer than hundreds of steps within one range: central differences then
 * never straddle the kink of a maximum or of an absolute value.
 */
function valuesOf(inputs: readonly (Variable | TensorValue)[], seed: number): TensorValue[] {
  const total = inputs.reduce((sum, input) => sum + (isVariable(input) ? sizeOf(input.shape) : 0), 0);
  const places = shuffled(total, seed);
  let next = 0;
  return inputs.map((input) => {
    if (!isVariable(input)) return input;
    const [lo, hi] = input.range ?? [-1.03, 0.98];
    const place = (): number => lo + ((hi - lo) * ((places[next++] ?? 0) + 0.5)) / total;
    return tensorOf('float64', input.shape, Array.from({ length: sizeOf(input.shape) }, place));
  });
}

function shuffled(count: number, seed: number): number[] {
  const random = xorshift(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** Name of the variable that is input `index`. */
const nameOf = (index: number): string => `x${index}`;

export interface CheckOptions {
  /** Whether the first dimension of inputs with a batch is unknown in the graph. */
  readonly unknownBatch?: boolean;
  readonly registry?: OpRegistry;
}

interface Checked {
  readonly module: Module;
  /** Inputs by which there is a gradient. */
  readonly differentiated: readonly number[];
}

/** `eval` fetches the loss Σ weight·output, `step` the gradients of it. Unknown batches are placeholders `[?, …]`. */
function moduleOf(
  op: string,
  the: GradientCase,
  values: readonly TensorValue[],
  { unknownBatch = false, registry = builtinRegistry }: CheckOptions,
): Checked {
  let differentiated: number[] = [];
  const { module } = edit(emptyModule(op), registry, 'build', (editor) => {
    const graph = graphBuilder(editor);
    const inputs = the.inputs.map((input, i): TensorRef => {
      if (!isVariable(input)) return graph.constant(input);
      const shape = unknownBatch && input.batch === true ? [null, ...input.shape.slice(1)] : input.shape;
      return graph.op('Placeholder', [], { attrs: { dtype: 'float64', shape }, name: nameOf(i) });
    });
    const subject = graph.node(op, inputs, { attrs: the.attrs ?? {}, name: 'subject' });
    const loss = lossOf(graph, subject, the, values);
    const variables = the.inputs.flatMap((input, i) => (isVariable(input) ? [i] : []));
    const xs = variables.map((i) => inputs[i] as TensorRef);
    const feeds = variables.map((i) => ({ name: nameOf(i), node: (inputs[i] as TensorRef).node }));
    const grads = gradients(editor, registry, [loss], xs);
    differentiated = variables.filter((_, k) => grads[k] !== null);
    const fetches = variables.flatMap((i, k) => {
      const tensor = grads[k];
      return tensor === null || tensor === undefined ? [] : [{ name: nameOf(i), tensor }];
    });
    editor.setEntry({ name: 'step', feeds, fetches, rounds: [[]] });
    editor.setEntry({ name: 'eval', feeds, fetches: [{ name: 'loss', tensor: loss }], rounds: [[]] });
  });
  return { module, differentiated };
}

function lossOf(
  graph: ReturnType<typeof graphBuilder>,
  subject: `n${number}`,
  the: GradientCase,
  values: readonly TensorValue[],
): TensorRef {
  const types = graph.editor.node(subject).outputs;
  const ports = the.outputs ?? types.flatMap(({ dtype }, port) => (isFloat(dtype) ? [port] : []));
  const shapes = outputShapes(graph.editor.node(subject).op, the.attrs ?? {}, values);
  const terms = ports.map((port) => {
    const weight = graph.constant(randomTensor('float64', shapes[port] ?? [], 100 + port));
    const product = graph.op('Mul', [weight, { node: subject, port }]);
    const axis = (shapes[port] ?? []).map((_, i) => i);
    return graph.op('Sum', [product], { attrs: { axis } });
  });
  return graph.op('AddN', terms);
}

/** Shapes of the op's outputs for constant inputs, which are all known. */
function outputShapes(op: string, attrs: AttrInput, values: readonly TensorValue[]): (readonly number[])[] {
  let shapes: (readonly number[])[] = [];
  edit(emptyModule(op), builtinRegistry, 'build', (editor) => {
    const graph = graphBuilder(editor);
    const node = graph.node(
      op,
      values.map((value) => graph.constant(value)),
      { attrs },
    );
    shapes = editor.node(node).outputs.map(({ shape }) => shape as readonly number[]);
  });
  return shapes;
}

export interface Comparison {
  /** Inputs by which there is a gradient. */
  readonly differentiated: readonly number[];
  /** Largest difference between the gradient and central differences, relative to 1 + |difference|. */
  readonly error: number;
}

/** Compares the gradient by every variable with central differences; a gradient that is not given counts as zero. */
export function compare(op: string, the: GradientCase, seed: number, options: CheckOptions = {}): Comparison {
  const values = valuesOf(the.inputs, seed);
  const { module, differentiated } = moduleOf(op, the, values, options);
  const interpreter = createInterpreter(module);
  const feeds = new Map<string, TensorValue>();
  the.inputs.forEach((input, i) => {
    if (isVariable(input)) feeds.set(nameOf(i), values[i] as TensorValue);
  });
  const grads = interpreter.run('step', feeds);
  let error = 0;
  for (const [name, value] of feeds) {
    const grad = grads.get(name);
    if (grad !== undefined && grad.shape.join() !== value.shape.join())
      return { differentiated, error: Infinity };
    for (let i = 0; i < value.data.length; i++) {
      const want = centralDifference(interpreter, feeds, name, i);
      error = Math.max(error, Math.abs(Number(grad?.data[i] ?? 0) - want) / (1 + Math.abs(want)));
    }
  }
  return { differentiated, error };
}

function centralDifference(
  interpreter: Interpreter,
  feeds: ReadonlyMap<string, TensorValue>,
  name: string,
  element: number,
): number {
  const lossAt = (by: number): number => {
    const value = feeds.get(name) as TensorValue;
    const data = value.data.slice() as Float64Array;
    data[element] = (data[element] ?? 0) + by;
    return Number(
      interpreter.run('eval', new Map([...feeds, [name, { ...value, data }]])).get('loss')?.data[0],
    );
  };
  return (lossAt(STEP) - lossAt(-STEP)) / (2 * STEP);
}

/** Gradients of the sum of an op's first output by its float inputs, at constant values. */
export function gradientsAt(
  op: string,
  inputs: readonly TensorValue[],
  attrs: AttrInput = {},
): (number[] | null)[] {
  let given: (string | null)[] = [];
  const { module } = edit(emptyModule(op), builtinRegistry, 'build', (editor) => {
    const graph = graphBuilder(editor);
    const xs = inputs.map((value) => graph.constant(value));
    const grads = gradients(editor, builtinRegistry, [graph.op(op, xs, { attrs })], xs);
    const fetches = grads.flatMap((tensor, i) => (tensor === null ? [] : [{ name: nameOf(i), tensor }]));
    given = grads.map((tensor, i) => (tensor === null ? null : nameOf(i)));
    editor.setEntry({ name: 'step', feeds: [], fetches, rounds: [[]] });
  });
  const out = createInterpreter(module).run('step');
  return given.map((name) => (name === null ? null : toNumbers(out.get(name) as TensorValue)));
}
