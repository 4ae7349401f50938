import { type Attr, type Attrs, NO_ATTRS } from '../attr.js';
import type { ConstantTable } from '../constants.js';
import { makeNode, type Node, type NodeId, PHASES, type TensorRef } from '../graph.js';
import type { TensorType } from '../shape.js';
import type { Cursor } from './cursor.js';
import {
  fieldTable,
  type Mutable,
  NEW_ORIGIN,
  ORIGIN_READERS,
  type OriginFields,
  originOf,
  parseDeviceField,
  parseFields,
  parseNodeId,
  parseRef,
  parseReplica,
  parseResourceId,
  withoutPrefix,
} from './fields.js';
import { listOf, parseAttr, parseType } from './values.js';

type NodeFields = Mutable<Pick<Node, 'replica' | 'phase' | 'group' | 'variable' | 'colocation'>> &
  OriginFields;

const FIELDS = fieldTable<NodeFields>({
  replica: parseReplica,
  phase: (cursor) => cursor.oneOf(PHASES, 'phase'),
  group: (cursor) => cursor.name('a group'),
  variable: (cursor) => cursor.name('a variable'),
  colocation: (cursor) => cursor.name('a colocation group'),
  ...ORIGIN_READERS,
});

const NEW_FIELDS: Readonly<NodeFields> = {
  replica: null,
  phase: 'forward',
  group: '',
  variable: null,
  colocation: null,
  ...NEW_ORIGIN,
};

/** The line of a node after its `%n17 =`. */
export function parseNode(cursor: Cursor, id: NodeId, constants: ConstantTable): Node {
  const op = cursor.name('an op');
  const resources = cursor.accept('[') ? listOf(cursor, ']', () => parseResourceId(cursor)) : [];
  const { inputs, controls } = parseArguments(cursor);
  const attrs = cursor.accept('{') ? parseAttrs(cursor, constants) : NO_ATTRS;
  const outputs = cursor.accept('->') ? parseOutputs(cursor) : [];
  const device = parseDeviceField(cursor);
  const at = cursor.pos;
  const shown = cursor.string('the name of the node');
  const fields = { ...NEW_FIELDS };
  parseFields(cursor, FIELDS, fields);
  const { replica, phase, group, variable, colocation } = fields;
  return makeNode({
    id,
    name: replica === null ? shown : withoutPrefix(cursor, shown, `tower_${replica}/`, at),
    op,
    inputs,
    controls,
    attrs,
    outputs,
    resources,
    device,
    replica,
    variable,
    phase,
    group,
    colocation,
    origin: originOf(fields),
  });
}

function parseArguments(cursor: Cursor): Pick<Node, 'inputs' | 'controls'> {
  const inputs: TensorRef[] = [];
  const controls: NodeId[] = [];
  cursor.expect('(');
  listOf(cursor, ')', () => {
    if (cursor.accept('^')) controls.push(parseNodeId(cursor));
    else inputs.push(parseRef(cursor));
  });
  return { inputs, controls };
}

function parseAttrs(cursor: Cursor, constants: ConstantTable): Attrs {
  const attrs = new Map<string, Attr>();
  listOf(cursor, '}', () => {
    const at = cursor.pos;
    const name = cursor.name('an attribute');
    if (attrs.has(name)) {
      throw cursor.fault(`the attribute ${JSON.stringify(name)} is given twice`, {
        at,
        hint: 'keep one of the two',
      });
    }
    cursor.expect('=');
    attrs.set(name, parseAttr(cursor, constants));
  });
  return attrs;
}

function parseOutputs(cursor: Cursor): TensorType[] {
  const outputs = [parseType(cursor)];
  while (cursor.accept(',')) outputs.push(parseType(cursor));
  return outputs;
}
