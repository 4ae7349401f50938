import type { Attr } from './attr.js';
import { type ConstantTable, constantHash, INLINE_ELEMENTS } from './constants.js';
import { PlacewrightError } from './errors.js';
import type { Entry, Module, Node, NodeId, Resource, ResourceId } from './graph.js';
import { toBase64 } from './json/base64.js';
import { type Decoder, int, listOf, Misfit, nullable, oneOf, record, text } from './json/decode.js';
import * as schema from './json/schema.js';
import type { OpRegistry } from './op.js';
import { bytesOf, type TensorValue } from './tensor.js';
import { MAX_SMALL } from './text/fields.js';
import { excerptAround } from './text/print.js';
import { floatText } from './text/scalars.js';
import { firstFault, type Violation } from './verify/reading.js';

/** Version of the JSON form. */
export const JSON_VERSION = 1;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * A module as JSON: its own fields, with nodes, resources and attributes as lists in their order, and numbers that JSON
 * lacks as strings (`"nan"`, `"inf"`, `"-inf"`, `"-0"`). Elements of constants are base64 of their bytes in memory;
 * where `constants` is given, constants of more than `INLINE_ELEMENTS` elements go there, and their hash stands here.
 */
export function moduleToJson(
  module: Module,
  options: { readonly constants?: Map<string, TensorValue> } = {},
): Json {
  const { name, towers, nextId, established, training, cluster, task, roles, decisions } = module;
  return {
    format: 'placewright',
    version: JSON_VERSION,
    name,
    towers: numberJson(towers),
    nextId: numberJson(nextId),
    established: [...established],
    training: plain(training),
    cluster: plain(cluster),
    task: plain(task),
    resources: [...module.resources.values()].map(plain),
    nodes: [...module.graph.nodes.values()].map((node) => nodeJson(node, options.constants)),
    entries: Object.values(module.entries).map(plain),
    roles: roles.map(plain),
    decisions: decisions.map(plain),
  };
}

function nodeJson({ attrs, ...rest }: Node, constants: Map<string, TensorValue> | undefined): Json {
  const items = [...attrs].map(
    ([name, attr]): Json => ({ name, kind: attr.kind, value: attrJson(attr, constants) }),
  );
  return { ...(plain(rest) as Readonly<Record<string, Json>>), attrs: items };
}

function attrJson(attr: Attr, constants: Map<string, TensorValue> | undefined): Json {
  if (attr.kind !== 'tensor') return plain(attr.value);
  const { dtype, shape, data } = attr.value;
  if (constants === undefined || data.length <= INLINE_ELEMENTS) {
    return { dtype, shape: plain(shape), base64: toBase64(bytesOf(attr.value)) };
  }
  const hash = constantHash(attr.value);
  constants.set(hash, attr.value);
  return { dtype, shape: plain(shape), hash };
}

function numberJson(value: number): Json {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : floatText(value);
}

/** The IR's own records and lists, which are a few levels deep, number by number. */
function plain(value: unknown): Json {
  if (typeof value === 'number') return numberJson(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value as Json;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

export interface JsonOptions {
  /** Constants that the JSON names by hash. */
  readonly constants?: ConstantTable;
  /** Ops whose output types are checked against what the JSON says. */
  readonly registry?: OpRegistry;
  /** Named in errors. */
  readonly file?: string;
}

/**
 * Reads what `moduleToJson` wrote (and `JSON.parse` gave back), with the same guarantees as `parseModule`.
 * Throws PW_JSON with the way to what is wrong (`nodes[3].attrs[0].value`), and PW_PARSE_TYPE.
 */
export function moduleFromJson(value: unknown, options: JsonOptions = {}): Module {
  const module = decodeModule(value, options);
  const fault = firstFault(module, options.registry);
  if (fault !== null) throw faultIn(module, fault, options.file);
  return module;
}

/** For errors of which the message says all. */
const FORM_HINT =
  'a module is {"format": "placewright", "version": 1, "name": …}; `placewright compile --json FILE` writes one';

function decodeModule(value: unknown, { constants = new Map(), file }: JsonOptions): Module {
  try {
    return fromDocument(document(constants)(value));
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const where = error.where();
    throw new PlacewrightError('PW_JSON', `${where === '' ? 'the module' : where} ${error.message}`, {
      where: file === undefined ? {} : { file },
      hint: error.hint || FORM_HINT,
    });
  }
}

type Document = Omit<Module, 'graph' | 'resources' | 'entries'> & {
  readonly format: 'placewright';
  readonly version: number;
  readonly nodes: readonly Node[];
  readonly resources: readonly Resource[];
  readonly entries: readonly Entry[];
};

const document = (constants: ConstantTable): Decoder<Document> =>
  record<Document>({
    format: oneOf(['placewright']),
    version: int(JSON_VERSION, JSON_VERSION),
    name: text,
    towers: int(0, MAX_SMALL),
    nextId: int(),
    established: listOf(text),
    training: nullable(schema.training),
    cluster: nullable(schema.cluster),
    task: nullable(schema.task),
    resources: listOf(schema.resource),
    nodes: listOf(schema.node(constants)),
    entries: listOf(schema.entry),
    roles: listOf(schema.role),
    decisions: listOf(schema.decision),
  });

function fromDocument(found: Document): Module {
  const { format: _format, version: _version, nodes, resources, entries, ...frame } = found;
  return {
    ...frame,
    graph: { nodes: byKey('nodes', nodes, ({ id }) => freeId(id, frame.nextId)) },
    resources: byKey('resources', resources, ({ id }) => freeId(id, frame.nextId)),
    entries: Object.fromEntries(byKey('entries', entries, ({ name }) => name)),
  };
}

function freeId<T extends NodeId | ResourceId>(id: T, nextId: number): T {
  if (Number(id.slice(1)) < nextId) return id;
  throw new Misfit(
    `has the id ${id}, which is not below nextId ${nextId}`,
    `write "nextId": ${Number(id.slice(1)) + 1} or more`,
  );
}

function byKey<K extends string, T>(list: string, items: readonly T[], keyOf: (item: T) => K): Map<K, T> {
  const out = new Map<K, T>();
  items.forEach((item, i) => {
    const key = keyOf(item);
    if (out.has(key)) {
      const misfit = new Misfit(
        `is a second ${key}`,
        'each id and each entry stands once: rename one of the two',
      );
      misfit.path.push(list, i);
      throw misfit;
    }
    out.set(key, item);
  });
  return out;
}

function faultIn(
  module: Module,
  { invariant, message, hint, subject, name }: Violation,
  file: string | undefined,
): PlacewrightError {
  const code = invariant === 'types-match' ? 'PW_PARSE_TYPE' : 'PW_JSON';
  const excerpt = subject === null ? [] : excerptAround(module, subject as NodeId);
  return new PlacewrightError(code, message, {
    hint: hint || FORM_HINT,
    where: {
      ...(file === undefined ? {} : { file }),
      ...(name === null ? {} : { node: name }),
      ...(excerpt.length === 0 ? {} : { excerpt }),
    },
  });
}
