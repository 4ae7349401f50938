import { bytesOf, type DType, type Shape, type TensorValue, tensorOf } from '@placewright/ir';
import {
  CONTRIB,
  type OnnxAttr,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  onnxDType,
} from './proto.js';

/** Attributes as an emitter writes them: whole numbers become ints, `float(x)` a float, arrays ints, text a string. */
export type AttrArgs = Readonly<
  Record<string, number | string | readonly number[] | { readonly float: number }>
>;

export const float = (value: number): { readonly float: number } => ({ float: value });

/** Gathers the nodes of one ONNX graph. Every method gives the names of what it added. */
export interface GraphBuilder {
  /** Adds a node with one output. */
  op(op: string, inputs: readonly string[], attrs?: AttrArgs): string;
  /** Adds a node with `count` outputs. */
  ops(op: string, inputs: readonly string[], count: number, attrs?: AttrArgs): string[];
  /** Adds a node of ONNX Runtime's own domain. */
  contrib(op: string, inputs: readonly string[], attrs?: AttrArgs): string;
  constant(value: TensorValue): string;
  /** An int64 vector. */
  ints(values: readonly number[]): string;
  scalar(dtype: DType, value: number): string;
  input(name: string, dtype: DType, shape: Shape): void;
  output(value: string, name: string, dtype: DType, shape: Shape): void;
  cast(value: string, dtype: DType): string;
  /** The graph of what the outputs need. */
  finish(name: string): OnnxGraph;
}

export function graphBuilder(): GraphBuilder {
  const nodes: OnnxNode[] = [];
  const initializers = new Map<string, OnnxTensor>();
  const shared = new Map<string, string>();
  const inputs: OnnxValue[] = [];
  const outputs: OnnxValue[] = [];
  let next = 0;
  const fresh = (): string => `v${next++}`;

  const add = (
    domain: string,
    op: string,
    args: readonly string[],
    count: number,
    attrs: AttrArgs,
  ): string[] => {
    const names = Array.from({ length: count }, fresh);
    nodes.push({ op, inputs: args, outputs: names, attrs: tagAttrs(attrs), domain });
    return names;
  };
  const single = (domain: string, op: string, args: readonly string[], attrs: AttrArgs): string =>
    add(domain, op, args, 1, attrs)[0] ?? '';
  const constant = (value: TensorValue): string => {
    const name = fresh();
    initializers.set(name, { dtype: value.dtype, dims: value.shape, raw: bytesOf(value) });
    return name;
  };
  const once = (key: string, make: () => TensorValue): string => {
    const known = shared.get(key);
    if (known !== undefined) return known;
    const name = constant(make());
    shared.set(key, name);
    return name;
  };

  return {
    op: (op, args, attrs = {}) => single('', op, args, attrs),
    ops: (op, args, count, attrs = {}) => add('', op, args, count, attrs),
    contrib: (op, args, attrs = {}) => single(CONTRIB, op, args, attrs),
    constant,
    ints: (values) => once(`ints ${values.join(' ')}`, () => tensorOf('int64', [values.length], values)),
    scalar: (dtype, value) =>
      once(`${dtype} ${Object.is(value, -0) ? '-0' : value}`, () => tensorOf(dtype, [], [value])),
    input: (name, dtype, shape) => inputs.push({ name, dtype, shape }),
    // A graph's output must be made by a node of its own name; ONNX Runtime drops the Identity where it can.
    output: (value, name, dtype, shape) => {
      nodes.push({ op: 'Identity', inputs: [value], outputs: [name], attrs: new Map(), domain: '' });
      outputs.push({ name, dtype, shape });
    },
    cast: (value, dtype) => single('', 'Cast', [value], { to: onnxDType(dtype) }),
    finish: (name) => ({ name, ...needed(nodes, initializers, outputs), inputs, outputs }),
  };
}

/** What the outputs need: emitters may add what others then do without. Nodes stand after what they take. */
function needed(
  nodes: readonly OnnxNode[],
  initializers: ReadonlyMap<string, OnnxTensor>,
  outputs: readonly OnnxValue[],
): Pick<OnnxGraph, 'nodes' | 'initializers'> {
  const names = new Set(outputs.map(({ name }) => name));
  const kept = [...nodes].reverse().filter((node) => {
    const isNeeded = node.outputs.some((name) => names.has(name));
    if (isNeeded) for (const name of node.inputs) names.add(name);
    return isNeeded;
  });
  return {
    nodes: kept.reverse(),
    initializers: new Map([...initializers].filter(([name]) => names.has(name))),
  };
}

function tagAttrs(attrs: AttrArgs): ReadonlyMap<string, OnnxAttr> {
  return new Map(Object.entries(attrs).map(([name, value]) => [name, tagAttr(value)]));
}

function tagAttr(value: AttrArgs[string]): OnnxAttr {
  if (typeof value === 'number') return { kind: 'int', value };
  if (typeof value === 'string') return { kind: 'string', value };
  return 'float' in value ? { kind: 'float', value: value.float } : { kind: 'ints', value };
}
