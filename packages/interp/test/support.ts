import {
  type AttrInput,
  builtinRegistry,
  type DType,
  edit,
  emptyModule,
  type GraphEditor,
  type Module,
  type NodeId,
  type OpRegistry,
  type PlacewrightError,
  type TensorRef,
  type TensorValue,
  tensorOf,
  toNumbers,
} from '@placewright/ir';
import { createInterpreter, type InterpreterOptions } from '../src/index.js';
import { xorshift } from '../src/schedule.js';

const why = { reason: 'test' };

/** A module made by hand. */
export function build(body: (graph: GraphBuilder) => void, registry: OpRegistry = builtinRegistry): Module {
  return edit(emptyModule('test'), registry, 'build', (editor) => body(graphBuilder(editor))).module;
}

export interface NodeOptions {
  readonly attrs?: AttrInput;
  readonly controls?: readonly NodeId[];
  readonly resources?: readonly `r${number}`[];
  readonly replica?: number;
  readonly name?: string;
}

export interface GraphBuilder {
  readonly editor: GraphEditor;
  node(op: string, inputs?: readonly TensorRef[], options?: NodeOptions): NodeId;
  /** First output of a new node. */
  op(op: string, inputs?: readonly TensorRef[], options?: NodeOptions): TensorRef;
  constant(value: TensorValue, options?: NodeOptions): TensorRef;
  variable(name: string, dtype: DType, shape: readonly (number | null)[], scope?: string): `r${number}`;
  area(
    name: string,
    types: readonly { dtype: DType; shape: readonly number[] }[],
    capacity: number,
  ): `r${number}`;
  step(
    targets: readonly NodeId[],
    fetches?: Readonly<Record<string, TensorRef>>,
    feeds?: Readonly<Record<string, TensorRef>>,
  ): void;
}

export function graphBuilder(editor: GraphEditor): GraphBuilder {
  const node: GraphBuilder['node'] = (op, inputs = [], options = {}) =>
    editor.addNode({ op, name: options.name ?? op, inputs, ...options }, why);
  const resource = { container: '', device: '', replica: null };
  return {
    editor,
    node,
    op: (op, inputs, options) => ({ node: node(op, inputs, options), port: 0 }),
    constant: (value, options) => ({ node: node('Const', [], { ...options, attrs: { value } }), port: 0 }),
    variable: (name, dtype, shape, scope = '') =>
      editor.addResource(
        {
          ...resource,
          kind: 'variable',
          name,
          scope,
          dtype,
          shape,
          trainable: true,
          collection: 'global',
          slotOf: null,
          savedAs: null,
        },
        why,
      ),
    area: (name, types, capacity) =>
      editor.addResource({ ...resource, kind: 'stagingArea', name, types, capacity }, why),
    step: (targets, fetches = {}, feeds = {}) =>
      editor.setEntry({
        name: 'step',
        feeds: Object.entries(feeds).map(([name, ref]) => ({ name, node: ref.node })),
        fetches: Object.entries(fetches).map(([name, tensor]) => ({ name, tensor })),
        rounds: [targets],
      }),
  };
}

/** All outputs of one op on constant inputs, through the op's declaration and the interpreter. */
export function evaluate(
  op: string,
  inputs: readonly TensorValue[],
  attrs: AttrInput = {},
  options: InterpreterOptions = {},
): TensorValue[] {
  let count = 0;
  const module = build((graph) => {
    const id = graph.node(
      op,
      inputs.map((value) => graph.constant(value)),
      { attrs, name: 'subject' },
    );
    count = graph.editor.node(id).outputs.length;
    const outputs = Array.from({ length: count }, (_, port) => [String(port), { node: id, port }] as const);
    graph.step([id], Object.fromEntries(outputs));
  }, options.registry);
  const fetched = createInterpreter(module, options).run('step');
  return Array.from({ length: count }, (_, port) => fetched.get(String(port)) as TensorValue);
}

/** Elements of the first output. */
export function numbersOf(op: string, inputs: readonly TensorValue[], attrs: AttrInput = {}): number[] {
  return toNumbers(evaluate(op, inputs, attrs)[0] as TensorValue);
}

export const f32 = (shape: readonly number[], values: readonly number[]): TensorValue =>
  tensorOf('float32', shape, values);
export const f64 = (shape: readonly number[], values: readonly number[]): TensorValue =>
  tensorOf('float64', shape, values);
export const i32 = (shape: readonly number[], values: readonly number[]): TensorValue =>
  tensorOf('int32', shape, values);
export const i64 = (shape: readonly number[], values: readonly number[]): TensorValue =>
  tensorOf('int64', shape, values);
export const bool = (shape: readonly number[], values: readonly number[]): TensorValue =>
  tensorOf('bool', shape, values);

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Repeatable numbers in [lo, hi). */
export function randomNumbers(count: number, seed: number, lo = -1, hi = 1): number[] {
  const random = xorshift(seed);
  return Array.from({ length: count }, () => lo + (hi - lo) * random());
}

export function randomTensor(dtype: DType, shape: readonly number[], seed: number): TensorValue {
  return tensorOf(dtype, shape, randomNumbers(sizeOf(shape), seed));
}

/** The error that `body` throws. */
export function errorOf(body: () => unknown): PlacewrightError {
  try {
    body();
  } catch (error) {
    return error as PlacewrightError;
  }
  throw new Error('nothing was thrown');
}

/** Largest absolute difference; infinite for different lengths. */
export function distance(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity;
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? Number.NaN))), 0);
}
