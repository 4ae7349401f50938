import { type Decision, ENTRY_NAMES, type Entry, type EntryName, type NodeId, type Role } from '../graph.js';
import type { Cursor } from './cursor.js';
import { fieldTable, parseFields, parseId, parseNodeId, parseRef, parseReplica } from './fields.js';
import { listOf } from './values.js';

/** An entry that is being read, line by line. */
export interface EntryDraft extends Entry {
  readonly feeds: Entry['feeds'][number][];
  readonly fetches: Entry['fetches'][number][];
  readonly rounds: NodeId[][];
}

export const ENTRY_LINES = ['feed', 'fetch', 'round', 'run'] as const;

/** `entry step`. */
export function parseEntryHead(cursor: Cursor, entries: ReadonlyMap<EntryName, Entry>): EntryDraft {
  const at = cursor.pos;
  const name = cursor.oneOf(ENTRY_NAMES, 'entry');
  if (entries.has(name)) {
    throw cursor.fault(`the entry ${name} is there twice`, {
      at,
      hint: 'put all its lines below one of the two',
    });
  }
  return { name, feeds: [], fetches: [], rounds: [] };
}

/** One line below `entry`, after its first word. */
export function parseEntryLine(cursor: Cursor, kind: (typeof ENTRY_LINES)[number], entry: EntryDraft): void {
  switch (kind) {
    case 'feed':
      entry.feeds.push({ name: cursor.string('the name of a feed'), node: parseNodeId(cursor) });
      return;
    case 'fetch':
      entry.fetches.push({ name: cursor.string('the name of a fetch'), tensor: parseRef(cursor) });
      return;
    case 'round':
      entry.rounds.push([]);
      return;
    case 'run': {
      const round = entry.rounds.at(-1);
      if (round === undefined) {
        throw cursor.fault('targets stand below their round', {
          hint: 'write a line `round` before the `run`',
        });
      }
      while (!cursor.atLineEnd()) round.push(parseNodeId(cursor));
      return;
    }
  }
}

const ROLES = ['loss', 'gradient', 'aggregated', 'apply', 'update', 'initializer', 'globalStep'] as const;
const REPLICA = fieldTable<{ replica: number | null }>({ replica: parseReplica });

/** `gradient %n88:1 "conv0/weights" replica=0`, after `role`. */
export function parseRole(cursor: Cursor): Role {
  const kind = cursor.oneOf(ROLES, 'role');
  switch (kind) {
    case 'loss':
      return { kind, tensor: parseRef(cursor), replica: replicaField(cursor) };
    case 'gradient':
    case 'aggregated':
      return {
        kind,
        tensor: parseRef(cursor),
        variable: variableName(cursor),
        replica: replicaField(cursor),
      };
    case 'apply':
    case 'update':
    case 'initializer':
      return {
        kind,
        node: parseNodeId(cursor),
        variable: variableName(cursor),
        replica: replicaField(cursor),
      };
    case 'globalStep':
      return { kind, node: parseNodeId(cursor) };
  }
}

const variableName = (cursor: Cursor): string => cursor.string('the name of the variable');

function replicaField(cursor: Cursor): number | null {
  const fields: { replica: number | null } = { replica: null };
  parseFields(cursor, REPLICA, fields);
  return fields.replica;
}

const ABOUT = ['device', 'readDevice', 'cachingDevice', 'staging', 'aggregation', 'slot', 'name'] as const;
const DECISION = fieldTable<{ rule: string; option: string }>({
  rule: (cursor) => cursor.string('a rule'),
  option: (cursor) => cursor.string('an option'),
});

/** `place-variables device %r3 "/device:CPU:0" of {"/device:CPU:0": 4.0} rule="…" option="…"`, after `decision`. */
export function parseDecision(cursor: Cursor): Decision {
  const pass = cursor.name('a pass');
  const about = cursor.oneOf(ABOUT, 'kind of decision');
  const subject = parseId(cursor);
  const chosen = cursor.string('what was chosen');
  const candidates = cursor.accept('of') ? parseCandidates(cursor) : [];
  const fields = { rule: '', option: '' };
  parseFields(cursor, DECISION, fields);
  return { pass, about, subject, chosen, candidates, ...fields };
}

function parseCandidates(cursor: Cursor): Decision['candidates'] {
  cursor.expect('{');
  return listOf(cursor, '}', () => {
    const name = cursor.string('a candidate');
    cursor.expect(':');
    return { name, load: cursor.float('a load') };
  });
}
