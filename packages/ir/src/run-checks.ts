import { getAttr } from './attr.js';
import { nearest, PlacewrightError } from './errors.js';
import {
  ENTRY_NAMES,
  type Entry,
  type EntryName,
  type Module,
  type Node,
  type NodeId,
  nodeName,
} from './graph.js';
import { compatible, elementCount, formatShape, formatType, type TensorType } from './shape.js';
import { allocate, type TensorValue } from './tensor.js';
import { nodeOf } from './traverse.js';

// What every engine checks of a run and of its variables, so that all refuse the same in the same words.

/** The entry with that name. Throws PW_ENTRY_UNKNOWN with those that there are. */
export function lookupEntry(module: Module, name: EntryName): Entry {
  const entry = module.entries[name];
  if (entry !== undefined) return entry;
  const there = ENTRY_NAMES.filter((other) => module.entries[other] !== undefined);
  throw new PlacewrightError(
    'PW_ENTRY_UNKNOWN',
    `module ${JSON.stringify(module.name)} has no entry ${JSON.stringify(name)}`,
    {
      hint: there.length === 0 ? 'the module has no entries' : `it has: ${there.join(', ')}`,
    },
  );
}

/**
 * Checks what is fed against what an entry declares, and against the placeholders that will run; gives it by
 * placeholder, as it is and not copied.
 * Throws PW_FEED_UNKNOWN, PW_FEED_MISSING, PW_FEED_DTYPE, PW_FEED_SHAPE, PW_FEED_DATA.
 */
export function checkFeeds(
  module: Module,
  entry: Entry,
  given: ReadonlyMap<string, TensorValue>,
  needed: Iterable<Node>,
): Map<NodeId, TensorValue> {
  const declared = new Map(entry.feeds.map(({ name, node }) => [name, nodeOf(module.graph, node)]));
  const fed = new Map<NodeId, TensorValue>();
  for (const [name, value] of given) {
    const placeholder = declared.get(name) ?? unknownFeed(entry, name);
    checkFeed(name, placeholder, value);
    fed.set(placeholder.id, value);
  }
  for (const node of needed) if (!fed.has(node.id)) missingFeed(entry, node);
  return fed;
}

function unknownFeed(entry: Entry, name: string): never {
  const names = entry.feeds.map((feed) => feed.name);
  const near = nearest(name, names);
  const known =
    names.length === 0 ? `${entry.name} takes no feeds` : `${entry.name} takes ${names.join(', ')}`;
  throw new PlacewrightError('PW_FEED_UNKNOWN', `entry ${entry.name} has no feed ${JSON.stringify(name)}`, {
    hint: near === undefined ? known : `did you mean ${JSON.stringify(near)}?`,
  });
}

function missingFeed(entry: Entry, node: Node): never {
  const name = entry.feeds.find((feed) => feed.node === node.id)?.name;
  const what =
    name === undefined ? 'a placeholder that it cannot be fed' : `the feed ${JSON.stringify(name)}`;
  throw new PlacewrightError('PW_FEED_MISSING', `entry ${entry.name} needs ${what}`, {
    where: { node: nodeName(node) },
    hint:
      name === undefined
        ? "add the placeholder to the entry's feeds, or fetch something else"
        : `give a value for ${JSON.stringify(name)}`,
  });
}

function checkFeed(name: string, placeholder: Node, value: TensorValue): void {
  const where = { node: nodeName(placeholder) };
  const dtype = getAttr(placeholder, 'dtype', 'dtype');
  const shape = getAttr(placeholder, 'shape', 'shape');
  const feed = `feed ${JSON.stringify(name)}`;
  if (value.dtype !== dtype) {
    throw new PlacewrightError('PW_FEED_DTYPE', `${feed} must be ${dtype}, not ${value.dtype}`, { where });
  }
  if (!compatible(value.shape, shape)) {
    const shapes = `${formatShape(shape)}, not ${formatShape(value.shape)}`;
    throw new PlacewrightError('PW_FEED_SHAPE', `${feed} must have the shape ${shapes}`, { where });
  }
  const fault = dataFault(value);
  if (fault !== undefined) throw new PlacewrightError('PW_FEED_DATA', `${feed} ${fault}`, { where });
}

/** Checks a value that is to become a variable's, whose shown name is given. Throws PW_VARIABLE_DTYPE, PW_VARIABLE_SHAPE. */
export function checkVariable(name: string, variable: TensorType, value: TensorValue): void {
  const shown = JSON.stringify(name);
  if (value.dtype !== variable.dtype) {
    throw new PlacewrightError(
      'PW_VARIABLE_DTYPE',
      `variable ${shown} is ${variable.dtype}, not ${value.dtype}`,
    );
  }
  if (!compatible(value.shape, variable.shape)) {
    const shapes = `${formatShape(variable.shape)}, not ${formatShape(value.shape)}`;
    throw new PlacewrightError('PW_VARIABLE_SHAPE', `variable ${shown} has the shape ${shapes}`);
  }
}

/** That a node reads a variable which has no value yet. */
export function readTooEarly(name: string): PlacewrightError {
  return new PlacewrightError(
    'PW_VARIABLE_UNINITIALIZED',
    `variable ${JSON.stringify(name)} is read before it has a value`,
    { hint: 'run the entry init (and postInit, where there is one) first, or restore a checkpoint' },
  );
}

/** That no variable has the name, with the nearest of those that there are. */
export function unknownVariable(name: string, names: readonly string[]): PlacewrightError {
  const near = nearest(name, names);
  return new PlacewrightError('PW_VARIABLE_UNKNOWN', `there is no variable ${JSON.stringify(name)}`, {
    hint: near === undefined ? 'see readVariables() for the names' : `did you mean ${JSON.stringify(near)}?`,
  });
}

/** What is wrong with the elements of a value from outside, as the end of a sentence; undefined when they are right. */
export function dataFault(value: TensorValue): string | undefined {
  const want = allocate(value.dtype, 0).constructor;
  if (value.data.constructor !== want) {
    return `holds its ${value.dtype} elements in a ${value.data.constructor.name}, not a ${want.name}`;
  }
  const count = elementCount(value.shape) ?? 0;
  return value.data.length === count
    ? undefined
    : `has ${value.data.length} elements and not ${count}, as ${formatType(value)}`;
}
