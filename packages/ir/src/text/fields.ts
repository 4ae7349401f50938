import { canonicalDevice, type DeviceName } from '../device.js';
import { nearest } from '../errors.js';
import type { NodeId, Origin, ResourceId, TensorRef } from '../graph.js';
import type { Cursor } from './cursor.js';
import { listOf, located } from './values.js';

/** A value whose fields are filled in while it is read. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What may stand as `key=value`, and how each is read into its place. */
export type FieldTable<T> = ReadonlyMap<string, (cursor: Cursor, into: T) => void>;

/** How each field of `T` is read. */
export type FieldReaders<T> = { readonly [K in keyof T]: (cursor: Cursor) => T[K] };

export function fieldTable<T extends object>(readers: FieldReaders<T>): FieldTable<T> {
  const keys = Object.keys(readers) as (keyof T & string)[];
  return new Map(
    keys.map((key) => [
      key,
      (cursor: Cursor, into: T) => {
        into[key] = readers[key](cursor);
      },
    ]),
  );
}

/** Reads `key=value` up to the end of the line; each key at most once. */
export function parseFields<T>(cursor: Cursor, table: FieldTable<T>, into: T): void {
  const seen: string[] = [];
  while (!cursor.atLineEnd()) {
    const at = cursor.pos;
    const key = cursor.word('a field');
    const read = table.get(key);
    if (read === undefined) throw unknownField(cursor, key, [...table.keys()], at);
    if (seen.includes(key)) {
      throw cursor.fault(`${key} is given twice`, { at, hint: 'keep one of the two' });
    }
    seen.push(key);
    cursor.expect('=');
    read(cursor, into);
  }
}

function unknownField(cursor: Cursor, key: string, known: readonly string[], at: number): Error {
  const near = nearest(key, known);
  return cursor.fault(`there is no field ${JSON.stringify(key.slice(0, 80))} here`, {
    at,
    hint: near === undefined ? `known: ${known.join(', ') || 'none'}` : `did you mean ${near}?`,
  });
}

/** Largest replica, port and number of towers that is taken for meant. */
export const MAX_SMALL = 65_535;

const ID = /^[nr](?:0|[1-9]\d{0,14})$/;

/** `%n17` or `%r3`. */
export function parseId(cursor: Cursor): NodeId | ResourceId {
  cursor.expect('%');
  const at = cursor.pos;
  const word = cursor.word('an id');
  if (ID.test(word)) return word as NodeId | ResourceId;
  throw cursor.fault(`%${word.slice(0, 40)} is not an id`, {
    at: at - 1,
    hint: 'nodes are %n0, %n1, …, resources %r0, %r1, …',
  });
}

export function parseNodeId(cursor: Cursor): NodeId {
  const at = cursor.pos;
  const id = parseId(cursor);
  if (id.startsWith('n')) return id as NodeId;
  throw cursor.fault(`%${id} is a resource, but a node must stand here`, {
    at,
    hint: 'nodes are %n0, %n1, …',
  });
}

export function parseResourceId(cursor: Cursor): ResourceId {
  const at = cursor.pos;
  const id = parseId(cursor);
  if (id.startsWith('r')) return id as ResourceId;
  throw cursor.fault(`%${id} is a node, but a resource must stand here`, {
    at,
    hint: 'resources are %r0, %r1, …',
  });
}

/** `%n5:1`, or `%n5` for its first output. */
export function parseRef(cursor: Cursor): TensorRef {
  const node = parseNodeId(cursor);
  return { node, port: cursor.accept(':') ? cursor.int('a port', 0, MAX_SMALL) : 0 };
}

/** `@/device:GPU:0`, if there is one; `''` otherwise. */
export function parseDeviceField(cursor: Cursor): DeviceName {
  if (!cursor.accept('@')) return '';
  const at = cursor.pos;
  const name = cursor.device();
  return located(cursor, at, () => canonicalDevice(name));
}

/** Strips the prefix of a shown name, which other fields tell: `tower_1/` of replica 1. */
export function withoutPrefix(cursor: Cursor, shown: string, prefix: string, at: number): string {
  if (shown.startsWith(prefix)) return shown.slice(prefix.length);
  throw cursor.fault(
    `the name ${JSON.stringify(shown.slice(0, 80))} does not begin with ${JSON.stringify(prefix)}`,
    {
      at,
      hint: 'a shown name begins with its tower (tower_1/ for replica=1), that of a variable with its scope',
    },
  );
}

/** An origin as its fields are written. */
export interface OriginFields {
  by: string;
  from: readonly NodeId[];
  why: string;
}

/** What is not said comes from the user's hand. */
export const NEW_ORIGIN: Readonly<OriginFields> = { by: 'build', from: [], why: '' };

export const ORIGIN_READERS: FieldReaders<OriginFields> = {
  by: (cursor) => cursor.name('a pass'),
  from: (cursor) => {
    cursor.expect('[');
    return listOf(cursor, ']', () => parseNodeId(cursor));
  },
  why: (cursor) => cursor.string('a reason'),
};

export function originOf({ by, from, why }: OriginFields): Origin {
  return { pass: by, from, reason: why };
}

export const parseReplica = (cursor: Cursor): number => cursor.int('a replica', 0, MAX_SMALL);

export function parseBool(cursor: Cursor): boolean {
  return cursor.oneOf(['true', 'false'], 'truth value') === 'true';
}
