import type { Resource, ResourceId, VariableResource } from '../graph.js';
import type { Cursor } from './cursor.js';
import {
  type FieldReaders,
  fieldTable,
  type Mutable,
  NEW_ORIGIN,
  ORIGIN_READERS,
  type OriginFields,
  originOf,
  parseBool,
  parseDeviceField,
  parseFields,
  parseReplica,
  parseResourceId,
  withoutPrefix,
} from './fields.js';
import { listOf, parseType } from './values.js';

const KINDS = ['variable', 'stagingArea', 'queue', 'barrier'] as const;

type SharedFields = Mutable<Pick<Resource, 'container' | 'replica'>> & OriginFields;
type VariableFields = SharedFields &
  Mutable<Pick<VariableResource, 'scope' | 'trainable' | 'collection' | 'slotOf' | 'savedAs'>>;

const SHARED_READERS: FieldReaders<SharedFields> = {
  container: (cursor) => cursor.name('a container'),
  replica: parseReplica,
  ...ORIGIN_READERS,
};
const SHARED = fieldTable(SHARED_READERS);
const VARIABLE = fieldTable<VariableFields>({
  scope: (cursor) => cursor.name('a scope'),
  trainable: parseBool,
  collection: (cursor) => cursor.oneOf(['global', 'local'], 'collection'),
  slotOf: parseResourceId,
  savedAs: (cursor) => cursor.name('a key'),
  ...SHARED_READERS,
});

const NEW_SHARED: Readonly<SharedFields> = { container: '', replica: null, ...NEW_ORIGIN };
const NEW_VARIABLE: Readonly<VariableFields> = {
  scope: '',
  trainable: false,
  collection: 'global',
  slotOf: null,
  savedAs: null,
  ...NEW_SHARED,
};

/** The line of a resource after its `%r3 =`. */
export function parseResource(cursor: Cursor, id: ResourceId): Resource {
  const kind = cursor.oneOf(KINDS, 'kind of resource');
  if (kind === 'variable') return parseVariable(cursor, id);
  if (kind === 'barrier') {
    const parties = keyedInt(cursor, 'parties');
    return { id, kind, parties, ...parseTail(cursor) };
  }
  cursor.expect('(');
  const types = listOf(cursor, ')', () => parseType(cursor));
  const capacity = keyedInt(cursor, 'capacity');
  return { id, kind, types, capacity, ...parseTail(cursor) };
}

function keyedInt(cursor: Cursor, key: string): number {
  cursor.expect(`${key}=`);
  return cursor.int(key);
}

type Tail = Pick<Resource, 'name' | 'device' | 'container' | 'replica' | 'origin'>;

function parseTail(cursor: Cursor): Tail {
  const device = parseDeviceField(cursor);
  const name = cursor.string('the name of the resource');
  const fields = { ...NEW_SHARED };
  parseFields(cursor, SHARED, fields);
  const { container, replica } = fields;
  return { name, device, container, replica, origin: originOf(fields) };
}

function parseVariable(cursor: Cursor, id: ResourceId): VariableResource {
  const { dtype, shape } = parseType(cursor);
  const device = parseDeviceField(cursor);
  const at = cursor.pos;
  const shown = cursor.string('the name of the variable');
  const fields = { ...NEW_VARIABLE };
  parseFields(cursor, VARIABLE, fields);
  const { by, from, why, ...rest } = fields;
  const name = rest.scope === '' ? shown : withoutPrefix(cursor, shown, `${rest.scope}/`, at);
  return { id, kind: 'variable', name, dtype, shape, device, ...rest, origin: originOf({ by, from, why }) };
}
