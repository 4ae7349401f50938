import type { TaskName } from '../cluster.js';
import type { ConstantTable } from '../constants.js';
import type {
  Decision,
  Entry,
  EntryName,
  Module,
  Node,
  NodeId,
  Resource,
  ResourceId,
  Role,
} from '../graph.js';
import type { OpRegistry } from '../op.js';
import type { TrainingSpec } from '../training.js';
import { firstFault, type Violation } from '../verify/reading.js';
import { Cursor } from './cursor.js';
import { parseId } from './fields.js';
import {
  ENTRY_LINES,
  type EntryDraft,
  parseDecision,
  parseEntryHead,
  parseEntryLine,
  parseRole,
} from './parse-entries.js';
import {
  CLUSTER_LINES,
  type ClusterDraft,
  type ModuleLine,
  parseClusterLine,
  parseModuleLine,
  parseTaskName,
  parseTraining,
} from './parse-header.js';
import { parseNode } from './parse-node.js';
import { parseResource } from './parse-resource.js';
import { TEXT_VERSION } from './print.js';

export interface ParseOptions {
  /** What the text names by hash: the constants that were printed with it. */
  readonly constants?: ConstantTable;
  /** Ops whose output types are checked against what the text says; those of other ops are believed. */
  readonly registry?: OpRegistry;
  /** Named in errors. */
  readonly file?: string;
}

/** What has been read so far. */
interface Draft {
  header: ModuleLine | null;
  established: readonly string[] | null;
  training: TrainingSpec | null;
  cluster: ClusterDraft | null;
  task: TaskName | null;
  readonly resources: Map<ResourceId, Resource>;
  readonly nodes: Map<NodeId, Node>;
  readonly entries: Map<EntryName, EntryDraft>;
  entry: EntryDraft | null;
  readonly roles: Role[];
  readonly decisions: Decision[];
  /** Where each id is defined. */
  readonly offsets: Map<NodeId | ResourceId, number>;
}

/**
 * Reads the text form of a module. The result has no dangling edge, no cycle and no name twice, and with a registry
 * every type is what the op's shape function says; other invariants are the verifier's.
 * Throws PW_PARSE, PW_PARSE_TYPE, PW_PARSE_CONSTANT with line, column and the neighbouring lines.
 */
export function parseModule(text: string, options: ParseOptions = {}): Module {
  const cursor = new Cursor(text, options.file);
  const draft: Draft = {
    header: null,
    established: null,
    training: null,
    cluster: null,
    task: null,
    resources: new Map(),
    nodes: new Map(),
    entries: new Map(),
    entry: null,
    roles: [],
    decisions: [],
    offsets: new Map(),
  };
  parseVersion(cursor);
  const constants = options.constants ?? new Map();
  while (parseStatement(cursor, draft, constants));
  const module = moduleOf(cursor, draft);
  const fault = firstFault(module, options.registry);
  if (fault !== null) throw faultAt(cursor, draft, fault);
  return module;
}

function parseVersion(cursor: Cursor): void {
  const hint = `the first line is "placewright ${TEXT_VERSION}"`;
  if (!cursor.nextLine() || cursor.tryWord() !== 'placewright') {
    throw cursor.fault('this is not the text form of a module', { hint });
  }
  const version = cursor.int('the version');
  if (version !== TEXT_VERSION) {
    throw cursor.fault(`the text has version ${version}, and version ${TEXT_VERSION} is read`, { hint });
  }
  cursor.endLine();
}

const STATEMENTS = [
  ...(['module', 'established', 'training', 'cluster', 'for', 'entry', 'role', 'decision', 'end'] as const),
  ...CLUSTER_LINES,
  ...ENTRY_LINES,
] as const;

/** One line; false after the last. */
function parseStatement(cursor: Cursor, draft: Draft, constants: ConstantTable): boolean {
  if (!cursor.nextLine()) {
    throw cursor.fault('the text stops before its "end"', { hint: 'the file was cut off; write it again' });
  }
  const at = cursor.pos;
  if (cursor.peek() === '%') {
    parseDefinition(cursor, draft, constants);
  } else {
    const word = cursor.oneOf(STATEMENTS, 'kind of line');
    if (word === 'end') return parseEnd(cursor);
    parseLine(cursor, word, draft, at);
  }
  cursor.endLine();
  return true;
}

function parseEnd(cursor: Cursor): false {
  cursor.endLine();
  if (cursor.nextLine()) {
    throw cursor.fault('the text goes on after its "end"', {
      hint: 'one file holds one module: take the rest away',
    });
  }
  return false;
}

function parseDefinition(cursor: Cursor, draft: Draft, constants: ConstantTable): void {
  const at = cursor.pos;
  const id = parseId(cursor);
  if (draft.offsets.has(id)) {
    throw cursor.fault(`%${id} is defined twice`, { at, hint: 'give one of the two an id that is free' });
  }
  draft.offsets.set(id, at);
  cursor.expect('=');
  if (isNodeId(id)) draft.nodes.set(id, parseNode(cursor, id, constants));
  else draft.resources.set(id, parseResource(cursor, id));
}

const isNodeId = (id: NodeId | ResourceId): id is NodeId => id.startsWith('n');

function parseLine(
  cursor: Cursor,
  word: Exclude<(typeof STATEMENTS)[number], 'end'>,
  draft: Draft,
  at: number,
): void {
  const once = (before: unknown): void => {
    if (before !== null) {
      throw cursor.fault(`${word} is there twice`, { at, hint: 'keep one of the two lines' });
    }
  };
  switch (word) {
    case 'module':
      once(draft.header);
      draft.header = parseModuleLine(cursor);
      return;
    case 'established':
      once(draft.established);
      draft.established = parseNames(cursor);
      return;
    case 'training':
      once(draft.training);
      draft.training = parseTraining(cursor);
      return;
    case 'cluster':
      once(draft.cluster);
      draft.cluster = { jobs: [], links: [] };
      return;
    case 'for':
      once(draft.task);
      draft.task = parseTaskName(cursor);
      return;
    case 'entry':
      draft.entry = parseEntryHead(cursor, draft.entries);
      draft.entries.set(draft.entry.name, draft.entry);
      return;
    case 'role':
      draft.roles.push(parseRole(cursor));
      return;
    case 'decision':
      draft.decisions.push(parseDecision(cursor));
      return;
    default:
      parseInnerLine(cursor, word, draft, at);
  }
}

type InnerLine = (typeof CLUSTER_LINES)[number] | (typeof ENTRY_LINES)[number];

const isEntryLine = (word: InnerLine): word is (typeof ENTRY_LINES)[number] =>
  (ENTRY_LINES as readonly string[]).includes(word);

function parseInnerLine(cursor: Cursor, word: InnerLine, draft: Draft, at: number): void {
  if (isEntryLine(word)) {
    if (draft.entry === null) {
      throw cursor.fault(`${word} stands below an entry`, {
        at,
        hint: 'write a line `entry NAME` before it',
      });
    }
    parseEntryLine(cursor, word, draft.entry);
  } else {
    if (draft.cluster === null) {
      throw cursor.fault(`${word} stands below cluster`, { at, hint: 'write a line `cluster` before it' });
    }
    parseClusterLine(cursor, word, draft.cluster);
  }
}

function parseNames(cursor: Cursor): string[] {
  const names: string[] = [];
  while (!cursor.atLineEnd()) names.push(cursor.name('a name'));
  return names;
}

function moduleOf(cursor: Cursor, draft: Draft): Module {
  const { header, resources, nodes, roles, decisions, training, cluster, task } = draft;
  if (header === null) {
    throw cursor.fault('the line module "name" is missing', {
      at: 0,
      hint: `write module "name" towers=… below "placewright ${TEXT_VERSION}"`,
    });
  }
  return {
    name: header.name,
    graph: { nodes },
    resources,
    entries: entriesOf(draft.entries),
    roles,
    decisions,
    training,
    cluster,
    task,
    towers: header.towers,
    established: draft.established ?? [],
    nextId: nextId(cursor, draft, header.next),
  };
}

function entriesOf(entries: ReadonlyMap<EntryName, Entry>): Module['entries'] {
  // Entry names are a closed set, so that an object keyed by them is safe.
  return Object.fromEntries(entries);
}

/** The next free number; what the text says must be above all ids. */
function nextId(cursor: Cursor, { offsets }: Draft, said: number | null): number {
  let free = 0;
  for (const [id, at] of offsets) {
    const number = Number(id.slice(1));
    free = Math.max(free, number + 1);
    if (said !== null && number >= said) {
      throw cursor.fault(`%${id} is not below next=${said} of the module line`, {
        at,
        hint: `write next=${number + 1} or more there, or leave it out`,
      });
    }
  }
  return said ?? free;
}

function faultAt(
  cursor: Cursor,
  draft: Draft,
  { invariant, message, hint, subject, name }: Violation,
): Error {
  const at = subject === null ? cursor.text.length : (draft.offsets.get(subject) ?? cursor.text.length);
  return cursor.fault(message, {
    at,
    hint,
    code: invariant === 'types-match' ? 'PW_PARSE_TYPE' : 'PW_PARSE',
    ...(name === null ? {} : { node: name }),
  });
}
