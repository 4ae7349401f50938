import { type Attr, type Node, PlacewrightError, type TensorRef } from '@placewright/ir';
import { attrCase, entry, intAttr, shapesAttr, textAttr, typeAttr, typesAttr } from '../attr.js';
import { attrsText } from '../attrs-text.js';
import {
  ATTRS_MARK,
  EXTRA_MARK,
  HANDLES_ATTR,
  HELD_SHAPES,
  OP_MARK,
  OPAQUE_PREFIX,
  OUTPUT_SHAPES,
  OUTPUT_TYPES,
} from '../marks.js';
import { sharedName } from '../names.js';
import type { AttrRow, InputRow, OpRow } from '../ops/row.js';
import type { AttrCase, AttrEntry } from '../proto/messages.js';
import { addConstant, addValue, typeOf } from './constants.js';
import { addMain, resourceMarks, resourcesOf, tensorText, type Writing } from './writing.js';

/** Writes a node that is one op of TensorFlow's, with the constants that it takes. */
export function writeOp(writing: Writing, node: Node, row: OpRow): void {
  const inputs = row.inputs.flatMap((each) => inputTexts(writing, node, each));
  const known = new Set(row.attrs.flatMap((each) => (each.kind === 'attr' ? [each.attr] : [])));
  for (const each of row.inputs) if (each.kind === 'constant') known.add(each.attr);
  const attrs = [
    ...row.attrs.map((each) => entry(each.name, attrOf(writing, node, each))),
    ...markOf(node, row),
    ...shapesOf(writing, node),
    ...[...node.attrs].flatMap(([name, attr]) =>
      known.has(name) ? [] : [entry(EXTRA_MARK + name, attrCase(attr))],
    ),
  ];
  addMain(writing, node, { op: row.op ?? node.op, inputs, attrs });
}

/** TensorFlow joins two tensors or more; one alone is itself. */
export function writeJoinOfOne(writing: Writing, node: Node): void {
  addMain(writing, node, {
    op: 'Identity',
    inputs: [tensorText(writing, inputAt(node, 0))],
    attrs: [
      entry('T', typeAttr(typeOf(writing, node, { input: 0 }))),
      entry(OP_MARK, textAttr(node.op)),
      entry(ATTRS_MARK, textAttr(attrsText(node.attrs))),
    ],
  });
}

/** Two ops of ours share one of TensorFlow's: a copy says which it is. */
function markOf(node: Node, row: OpRow): AttrEntry[] {
  return row.op === 'Identity' ? [entry(OP_MARK, textAttr(node.op))] : [];
}

/** What goes into a buffer and what is taken out of it has no shape in TensorFlow's ops; it is read here. */
function shapesOf(writing: Writing, node: Node): AttrEntry[] {
  const [resource] = resourcesOf(writing, node);
  if (node.op === 'Stage' && resource?.kind === 'stagingArea') {
    const held = entry(HELD_SHAPES, shapesAttr(resource.types.map(({ shape }) => shape)));
    return [held, ...resourceMarks(resource)];
  }
  if (node.outputs.length === 0 || resource === undefined || resource.kind === 'variable') return [];
  const taken = entry(OUTPUT_SHAPES, shapesAttr(node.outputs.map(({ shape }) => shape)));
  return [taken, ...(resource.kind === 'stagingArea' ? resourceMarks(resource) : [])];
}

function inputTexts(writing: Writing, node: Node, row: InputRow): string[] {
  switch (row.kind) {
    case 'input':
      return [tensorText(writing, inputAt(node, row.index))];
    case 'rest':
      return node.inputs.slice(row.index).map((ref) => tensorText(writing, ref));
    case 'handle':
      return [handleAt(writing, node, row.index)];
    case 'constant':
      return [addConstant(writing, node, row)];
    case 'reserve':
      return [reserve(writing, node, inputAt(node, row.of))];
  }
}

function inputAt(node: Node, index: number): TensorRef {
  const ref = node.inputs[index];
  if (ref === undefined) throw new PlacewrightError('PW_OP_ARITY', `${node.op} lacks its input ${index}`);
  return ref;
}

export function handleAt(writing: Writing, node: Node, index: number): string {
  const id = node.resources[index];
  const name = id === undefined ? undefined : writing.handles.get(id);
  if (name !== undefined) return name;
  throw new PlacewrightError('PW_GRAPHDEF_HANDLE', `${node.op} acts on something that has no handle`, {
    hint: 'variables and queues have handles; staging areas are found by their shared name',
  });
}

/** Port of TensorFlow's FusedBatchNormV3 that its gradient takes last. */
const RESERVE_PORT = 5;

/** The output of the batch normalisation, behind copies, that our op leaves out; a constant where there is none. */
function reserve(writing: Writing, node: Node, from: TensorRef): string {
  let ref: TensorRef | undefined = from;
  while (ref !== undefined) {
    const producer: Node | undefined = writing.module.graph.nodes.get(ref.node);
    if (producer?.op === 'FusedBatchNormV3') {
      return tensorText(writing, { node: producer.id, port: RESERVE_PORT });
    }
    ref = producer?.op === 'Identity' || producer?.op === 'Transfer' ? producer.inputs[0] : undefined;
  }
  const value = { dtype: 'float32', shape: [0], data: new Float32Array(0) } as const;
  return addValue(writing, node, 'reserve_space_3', value);
}

function attrOf(writing: Writing, node: Node, row: AttrRow): AttrCase {
  switch (row.kind) {
    case 'type':
      return typeAttr(typeOf(writing, node, row.of));
    case 'types':
      return typesAttr(bufferOf(writing, node).types.map(({ dtype }) => dtype));
    case 'count':
      return intAttr(node.inputs.length);
    case 'attr':
      return attrCase(attrAt(node, row.attr));
    case 'fixed':
      return row.value;
    case 'buffer': {
      const { container, name, capacity } = bufferOf(writing, node);
      if (row.name === 'capacity') return intAttr(capacity);
      return textAttr(row.name === 'container' ? container : sharedName(name));
    }
  }
}

function attrAt(node: Node, name: string): Attr {
  const attr = node.attrs.get(name);
  if (attr !== undefined) return attr;
  throw new PlacewrightError('PW_ATTR_MISSING', `${node.op} lacks its attribute ${JSON.stringify(name)}`);
}

function bufferOf(writing: Writing, node: Node) {
  const [resource] = resourcesOf(writing, node);
  if (resource?.kind === 'stagingArea' || resource?.kind === 'queue') return resource;
  throw new PlacewrightError('PW_OP_INPUT', `${node.op} acts on a buffer, and has none`);
}

/** Writes an op that TensorFlow may know and we do not, or one of a user's own, as it stands: handles, then tensors. */
export function writeForeign(writing: Writing, node: Node): void {
  const handles = node.resources.map((_, i) => handleAt(writing, node, i));
  const tensors = node.inputs.map((ref) => tensorText(writing, ref));
  const places = node.attrs.get(HANDLES_ATTR);
  const inputs = places?.kind === 'ints' ? merged(handles, tensors, places.value) : [...handles, ...tensors];
  const attrs = [...node.attrs].flatMap(([name, attr]) =>
    name === HANDLES_ATTR ? [] : [entry(name, attrCase(attr))],
  );
  const op = node.op.startsWith(OPAQUE_PREFIX) ? node.op.slice(OPAQUE_PREFIX.length) : node.op;
  addMain(writing, node, { op, inputs, attrs: withTypes(writing, node, attrs) });
}

function merged(handles: readonly string[], tensors: readonly string[], places: readonly number[]): string[] {
  const left = [...tensors];
  const out: string[] = [];
  for (let i = 0; i < handles.length + tensors.length; i++) {
    const at = places.indexOf(i);
    out.push((at >= 0 ? handles[at] : left.shift()) ?? '');
  }
  return out;
}

/** The types of outputs that no declaration gives, so that they can be read again. */
function withTypes({ registry }: Writing, node: Node, attrs: readonly AttrEntry[]): AttrEntry[] {
  if (registry.ops.has(node.op) || node.outputs.length === 0) return [...attrs];
  const shapes = shapesAttr(node.outputs.map(({ shape }) => shape));
  const types = typesAttr(node.outputs.map(({ dtype }) => dtype));
  const rest = attrs.filter(({ key }) => key !== OUTPUT_SHAPES && key !== OUTPUT_TYPES);
  return [...rest, entry(OUTPUT_SHAPES, shapes), entry(OUTPUT_TYPES, types)];
}
