import type { Attr, DType, Shape, TensorType } from '@placewright/ir';
import { irAttr } from '../attr.js';
import {
  CLASS_ATTR,
  FOR_MARK,
  GROUP_MARK,
  HANDLES_ATTR,
  INPUTS_MARK,
  NAME_MARK,
  OP_MARK,
  OPAQUE_PREFIX,
  OUTPUT_SHAPES,
  OUTPUT_TYPES,
} from '../marks.js';
import { shapeOf } from '../tensor.js';
import type { GraphNode } from './nodes.js';
import { type ReadOp, typeOfAttr } from './op.js';
import { type Reading, refOf } from './reading.js';
import { shapesOf, typesOf, unknownShape, unknownType } from './resources.js';

/** Attributes that say something that has a field of its own in the IR. */
const ABSORBED = new Set([
  GROUP_MARK,
  NAME_MARK,
  CLASS_ATTR,
  FOR_MARK,
  INPUTS_MARK,
  OP_MARK,
  OUTPUT_SHAPES,
  OUTPUT_TYPES,
]);

/** A node as it stands: handles become resources, everything else stays. */
export function readForeign(reading: Reading, node: GraphNode, op: string): ReadOp {
  const places = node.inputs.flatMap(({ node: from }, i) => (reading.handles.has(from) ? [i] : []));
  const resources = node.inputs.flatMap(({ node: from }) => reading.handles.get(from) ?? []);
  const inputs = node.inputs.filter(({ node: from }) => !reading.handles.has(from));
  const attrs = new Map<string, Attr>();
  for (const [name, value] of node.attrs) if (!ABSORBED.has(name)) attrs.set(name, irAttr({ value }));
  // Handles come first, unless said otherwise.
  if (places.some((place, i) => place !== i)) attrs.set(HANDLES_ATTR, { kind: 'ints', value: places });
  return { op, inputs: inputs.map((tensor) => refOf(reading, tensor)), attrs, resources };
}

/** The op of a node that no declaration expresses; one with the name of a declared op gets another name. */
export function opaqueName({ registry }: Reading, { op }: GraphNode): string {
  return registry.ops.has(op) ? OPAQUE_PREFIX + op : op;
}

/** Attributes that say of which element type the outputs of an op are, in the order in which they are asked. */
const TYPE_ATTRS = [
  'dtype',
  'output_type',
  'out_type',
  'DstT',
  'Tout',
  'component_types',
  'output_types',
  'dtypes',
  'T',
];

/** Ops whose outputs have one element type whatever their attributes say. */
const FIXED_TYPES: Readonly<Record<string, DType>> = {
  ...{ All: 'bool', Any: 'bool', IsFinite: 'bool', IsInf: 'bool', IsNan: 'bool', InTopK: 'bool' },
  ...{ IsVariableInitialized: 'bool', LessEqual: 'bool', LogicalAnd: 'bool', LogicalNot: 'bool' },
  ...{ LogicalOr: 'bool', NotEqual: 'bool', VarIsInitializedOp: 'bool', InTopKV2: 'bool' },
  ...{ Rank: 'int32', QueueSizeV2: 'int32', BroadcastGradientArgs: 'int32', Where: 'int64' },
  ...{ MergeSummary: 'string', ReadFile: 'string', ScalarSummary: 'string', HistogramSummary: 'string' },
  ...{ ShardedFilename: 'string', ShardedFilespec: 'string', StringJoin: 'string', AsString: 'string' },
};

/**
 * Types of the outputs of a node that no declaration speaks of, as far as the graph says them; none where nothing takes
 * one. Throws PW_GRAPHDEF_SHAPE, PW_GRAPHDEF_TYPE.
 */
export function foreignOutputs(reading: Reading, node: GraphNode): TensorType[] {
  const used = (reading.usedPorts.get(node.name) ?? -1) + 1;
  const shapes = shapesOf(node, OUTPUT_SHAPES) ?? constantShape(node);
  if (shapes === null && used === 0) return [];
  if (shapes === null || shapes.length < used) {
    throw unknownShape(
      node,
      `(${node.op}) is no op of the IR, and the graph does not say of which shapes its outputs are`,
    );
  }
  return shapes.map((shape, i): TensorType => ({ dtype: outputType(node, shapes, i), shape }));
}

/** A constant has its shape in its value. */
function constantShape({ op, attrs }: GraphNode): Shape[] | null {
  const value = attrs.get('value');
  const shape = op === 'Const' && value?.case === 'tensor' ? shapeOf(value.value.tensorShape) : null;
  return shape === null ? null : [shape];
}

function outputType(node: GraphNode, shapes: readonly Shape[], index: number): DType {
  const own = node.attrs.has(OUTPUT_TYPES) ? typesOf(node, OUTPUT_TYPES)[index] : undefined;
  const known = own ?? (Object.hasOwn(FIXED_TYPES, node.op) ? FIXED_TYPES[node.op] : undefined);
  if (known !== undefined) return known;
  for (const name of TYPE_ATTRS) {
    const value = node.attrs.get(name);
    if (value?.case === 'list' && value.value.type.length === shapes.length) {
      const listed = typesOf(node, name)[index];
      if (listed !== undefined) return listed;
    }
    const single = typeOfAttr(value);
    if (single !== undefined) return single;
  }
  throw unknownType(
    node,
    `(${node.op}) is no op of the IR, and of which element types its outputs are, the graph does not say`,
  );
}
