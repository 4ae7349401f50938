import {
  type Attr,
  type AttrDecl,
  type Attrs,
  attrFits,
  type DType,
  PlacewrightError,
  type ResourceId,
  type TensorRef,
  type TensorValue,
  toNumbers,
} from '@placewright/ir';
import { irAttr, sameCase, shortestFloat } from '../attr.js';
import { attrsFromText } from '../attrs-text.js';
import { dtypeOf } from '../dtype.js';
import { ATTRS_MARK, EXTRA_MARK, INPUTS_MARK, OP_MARK, SHARED_MARK } from '../marks.js';
import type { AttrRow, InputRow, OpRow } from '../ops/row.js';
import { OP_ROWS, rowOf } from '../ops/table.js';
import type { AttrCase } from '../proto/messages.js';
import { tensorFromMessage } from '../tensor.js';
import { type GraphNode, type GraphTensor, shown, tensorOfText, textAttrOf, textsAttrOf } from './nodes.js';
import { producerOf, type Reading, refOf } from './reading.js';
import type { ResourceTable } from './resources.js';

/** What a node of the graph is in the IR. */
export interface ReadOp {
  readonly op: string;
  readonly inputs: readonly TensorRef[];
  readonly attrs: Attrs;
  readonly resources: readonly ResourceId[];
}

/** A node that our op of that kind cannot express. */
export function inexpressible(node: GraphNode, why: string): PlacewrightError {
  return new PlacewrightError(
    'PW_GRAPHDEF_OP',
    `${node.op} ${shown(node.name)} is none of the IR's: ${why}`,
    {
      where: { node: node.name },
      hint: 'such a node can be kept as an opaque one where the graph has the shapes of all outputs: `graph.as_graph_def(add_shapes=True)`',
    },
  );
}

const BY_TENSORFLOW: ReadonlyMap<string, string> = new Map(
  Object.entries(OP_ROWS).flatMap(([op, row]): [string, string][] =>
    row.kind === 'op' && op !== 'Transfer' ? [[('op' in row && row.op) || op, op]] : [],
  ),
);

/**
 * The built-in op that a node is, with its inputs, attributes and resources; null where no row of the table speaks of it.
 * Throws PW_GRAPHDEF_OP where the op is known, and the node more than it.
 */
export function readBuiltin(reading: Reading, areas: ResourceTable, node: GraphNode): ReadOp | null {
  const mark = textAttrOf(node, OP_MARK);
  const attrsText = textAttrOf(node, ATTRS_MARK);
  if (mark !== undefined && attrsText !== undefined) {
    return { op: mark, inputs: markedInputs(reading, node), attrs: attrsFromText(attrsText), resources: [] };
  }
  if (node.op === 'CollectiveReduceV2') return readCollective(reading, node);
  const op = mark ?? BY_TENSORFLOW.get(node.op);
  const row = op === undefined ? undefined : rowOf(op);
  if (op === undefined || row?.kind !== 'op' || (row.op ?? op) !== node.op) return null;
  return readRow(reading, areas, node, { op, row });
}

/** Inputs as they are in the module, where the graph has others. */
function markedInputs(reading: Reading, node: GraphNode): TensorRef[] {
  const texts = textsAttrOf(node, INPUTS_MARK);
  const tensors = texts?.map(tensorOfText) ?? node.inputs.filter(({ node: from }) => reading.ids.has(from));
  return tensors.map((tensor) => refOf(reading, tensor));
}

function readRow(
  reading: Reading,
  areas: ResourceTable,
  node: GraphNode,
  { op, row }: { readonly op: string; readonly row: OpRow },
): ReadOp {
  const attrs = new Map<string, Attr>();
  const decls = reading.registry.ops.get(op)?.attrs ?? {};
  const taken = takeInputs(reading, node, { row, decls, attrs });
  for (const each of row.attrs) readAttr(node, each, decls, attrs);
  checkRest(node, row);
  for (const [name, value] of node.attrs) {
    if (name.startsWith(EXTRA_MARK)) attrs.set(name.slice(EXTRA_MARK.length), irAttr({ value }));
  }
  const resources = row.attrs.some(({ kind }) => kind === 'buffer') ? [areas.areaOf(node)] : taken.resources;
  const marked = node.attrs.has(INPUTS_MARK) ? markedInputs(reading, node) : taken.inputs;
  return { op, inputs: marked, attrs: inOrderOf(decls, attrs), resources };
}

/** Attributes in the order of the declaration. */
function inOrderOf(decls: Readonly<Record<string, AttrDecl>>, attrs: ReadonlyMap<string, Attr>): Attrs {
  const names = [...Object.keys(decls).filter((name) => attrs.has(name)), ...attrs.keys()];
  return new Map(names.map((name) => [name, attrs.get(name) as Attr]));
}

interface Taking {
  readonly row: OpRow;
  readonly decls: Readonly<Record<string, AttrDecl>>;
  /** Filled with the attributes that are constants in the graph. */
  readonly attrs: Map<string, Attr>;
}

function takeInputs(reading: Reading, node: GraphNode, { row, decls, attrs }: Taking) {
  const inputs: TensorRef[] = [];
  const resources: ResourceId[] = [];
  const left = [...node.inputs];
  row.inputs.forEach((each, i) => {
    // A list takes all but those that the rows behind it take.
    const count = each.kind === 'rest' ? left.length - (row.inputs.length - 1 - i) : 1;
    for (const tensor of left.splice(0, Math.max(count, 0))) {
      if (each.kind === 'handle') resources.push(handleOf(reading, node, tensor));
      else if (each.kind === 'constant') foldConstant(reading, node, tensor, { row: each, decls, attrs });
      else if (each.kind !== 'reserve') inputs[indexOf(each, inputs)] = refOf(reading, tensor);
      else fold(reading, tensor);
    }
  });
  if (left.length > 0) throw inexpressible(node, `it has ${left.length} inputs too many`);
  return { inputs, resources };
}

const indexOf = (row: Extract<InputRow, { index: number }>, inputs: readonly TensorRef[]): number =>
  row.kind === 'rest' ? inputs.length : row.index;

function handleOf(reading: Reading, node: GraphNode, tensor: GraphTensor): ResourceId {
  const id = reading.handles.get(tensor.node);
  if (id !== undefined && tensor.port === 0) return id;
  throw inexpressible(node, `${shown(tensor.node)} gives no handle of a variable or queue`);
}

/** Takes a constant that only stands for an attribute out of the graph, unless something else uses it. */
function fold(reading: Reading, tensor: GraphTensor): void {
  if (producerOf(reading, tensor).op === 'Const') reading.folding.push(tensor.node);
}

/** The value of a constant that a node takes; fails for one that is computed. */
function constantOf(reading: Reading, node: GraphNode, tensor: GraphTensor, name: string): TensorValue {
  const producer = producerOf(reading, tensor);
  const value = producer.op === 'Const' ? producer.attrs.get('value') : undefined;
  const found = value?.case === 'tensor' ? tensorFromMessage(value.value) : null;
  if (found === null)
    throw inexpressible(node, `its ${name}, ${shown(tensor.node)}, is no constant of numbers`);
  reading.folding.push(tensor.node);
  return found;
}

interface Folding extends Omit<Taking, 'row'> {
  readonly row: Extract<InputRow, { kind: 'constant' }>;
}

function foldConstant(
  reading: Reading,
  node: GraphNode,
  tensor: GraphTensor,
  { row, decls, attrs }: Folding,
): void {
  const value = constantOf(reading, node, tensor, row.name);
  const found = attrOfConstant(decls[row.attr]?.kind, value);
  const attr = row.form === 'axes' ? fromFront(reading, node, found) : found;
  if (attr === null) throw inexpressible(node, `its ${row.name} has the wrong shape`);
  attrs.set(row.attr, attr);
  // The element type of such an op is that of the constant.
  if (typeof row.dtype !== 'string' && 'attr' in row.dtype) {
    attrs.set(row.dtype.attr, { kind: 'dtype', value: value.dtype });
  }
}

/** Dimensions counted from the front, each once, in rising order. */
function fromFront({ ids, nodes }: Reading, node: GraphNode, attr: Attr | null): Attr | null {
  const [of] = node.inputs;
  const id = of === undefined ? undefined : ids.get(of.node);
  const rank = id === undefined ? undefined : nodes.get(id)?.outputs[of?.port ?? 0]?.shape.length;
  if (attr?.kind !== 'ints' || rank === undefined) return attr;
  const axes = new Set(attr.value.map((axis) => (axis < 0 ? axis + rank : axis)));
  return { kind: 'ints', value: [...axes].sort((a, b) => a - b) };
}

function attrOfConstant(kind: Attr['kind'] | undefined, value: TensorValue): Attr | null {
  const numbers = toNumbers(value).map((x) => (value.dtype === 'float32' ? shortestFloat(x) : x));
  const [first] = numbers;
  const attr = (): Attr | null => {
    switch (kind) {
      case 'int':
      case 'float':
        return first === undefined || numbers.length > 1 ? null : { kind, value: first };
      case 'ints':
        return { kind, value: numbers };
      case 'shape':
        return { kind, value: numbers.map((dim) => (dim === -1 ? null : dim)) };
      default:
        return null;
    }
  };
  const found = attr();
  return found !== null && attrFits(found) ? found : null;
}

function readAttr(
  node: GraphNode,
  row: AttrRow,
  decls: Readonly<Record<string, AttrDecl>>,
  attrs: Map<string, Attr>,
): void {
  const value = node.attrs.get(row.name);
  if (row.kind === 'fixed') {
    if (value !== undefined && !row.any && !sameCase(value, row.value)) {
      throw inexpressible(node, `its ${row.name} is another one than the IR's op has`);
    }
  } else if (row.kind === 'attr') {
    const attr = attrOf(node, row, decls[row.attr], value);
    attrs.set(row.attr, attr);
  }
}

/** What TensorFlow takes for attributes that are left out, where our declaration has no default. */
const LEFT_OUT: Readonly<Record<string, Attr>> = { squeeze_dims: { kind: 'ints', value: [] } };

function attrOf(
  node: GraphNode,
  row: Extract<AttrRow, { kind: 'attr' }>,
  decl: AttrDecl | undefined,
  value: AttrCase | undefined,
): Attr {
  const kind = decl?.kind;
  const given = value === undefined ? LEFT_OUT[row.name] : irAttr({ value });
  const attr =
    given ??
    (kind !== undefined && decl?.default !== undefined ? ({ kind, value: decl.default } as Attr) : null);
  if (attr === null) throw inexpressible(node, `it lacks its attribute ${row.name}`);
  if (attr.kind !== kind || !attrFits(attr))
    throw inexpressible(node, `its attribute ${row.name} is no ${kind ?? 'such'}`);
  return attr;
}

/**
 * Attributes of TensorFlow's that our ops do not have, and the values with which they change nothing; `any` where all do.
 * What ends in the name of a type follows from the inputs.
 */
const IDLE: Readonly<Record<string, 'any' | AttrCase>> = {
  use_cudnn_on_gpu: 'any',
  use_locking: 'any',
  validate_shape: 'any',
  incompatible_shape_error: 'any',
  grad_a: 'any',
  grad_b: 'any',
  experimental_debug: 'any',
  parallel_iterations: 'any',
  explicit_paddings: {
    case: 'list',
    value: { s: [], i: [], f: [], b: [], type: [], shape: [], tensor: [], func: [] },
  },
  exponential_avg_factor: { case: 'f', value: 1 },
  Truncate: { case: 'b', value: false },
  memory_limit: { case: 'i', value: 0n },
  timeout_ms: { case: 'i', value: -1n },
};

function checkRest(node: GraphNode, { attrs: rows }: OpRow): void {
  const known = new Set<string>(rows.map(({ name }) => name));
  for (const [name, value] of node.attrs) {
    if (known.has(name) || name.startsWith('_')) continue;
    const idle = Object.hasOwn(IDLE, name) ? IDLE[name] : undefined;
    if (idle === 'any' || (idle !== undefined && sameCase(idle, value))) continue;
    throw inexpressible(node, `the IR's op has no attribute ${shown(name)}`);
  }
}

/** A collective over devices is our all-reduce, under the name that its members had, or its number. */
function readCollective(reading: Reading, node: GraphNode): ReadOp | null {
  const [input, size, , instance] = node.inputs;
  if (input === undefined || size === undefined || instance === undefined) return null;
  if (textAttrOf(node, 'merge_op') !== 'Add' || textAttrOf(node, 'final_op') !== 'Id') return null;
  const numbers = node.inputs.slice(1, 4).map((tensor) => constantOf(reading, node, tensor, 'group'));
  const [members = 0, , key = 0] = numbers.map((value) => toNumbers(value)[0] ?? 0);
  const attrs = new Map<string, Attr>([
    ['reduction', { kind: 'string', value: 'sum' }],
    ['num_devices', { kind: 'int', value: members }],
    ['shared_name', { kind: 'string', value: textAttrOf(node, SHARED_MARK) ?? `instance_${key}` }],
  ]);
  return { op: 'NcclAllReduce', inputs: [refOf(reading, input)], attrs, resources: [] };
}

/** The element type of an attribute; undefined where it is none of the IR's. */
export function typeOfAttr(value: AttrCase | undefined): DType | undefined {
  return value?.case === 'type' ? dtypeOf(value.value) : undefined;
}
