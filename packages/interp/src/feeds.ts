import {
  compatible,
  type Entry,
  formatShape,
  getAttr,
  type Module,
  type Node,
  type NodeId,
  nearest,
  nodeName,
  nodeOf,
  PlacewrightError,
  type TensorValue,
} from '@placewright/ir';
import { copyOf } from './data.js';
import { roundHalf } from './rounding.js';
import { dataFault } from './state.js';

/** Values by name. */
export type Named<T> = ReadonlyMap<string, T> | Readonly<Record<string, T>>;

export function asMap<T>(named: Named<T>): ReadonlyMap<string, T> {
  return named instanceof Map ? (named as ReadonlyMap<string, T>) : new Map(Object.entries(named));
}

/**
 * Checks what is fed against what an entry needs, and gives copies by placeholder. `needed` are the nodes that run.
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
    fed.set(placeholder.id, roundHalf(copyOf(value)));
  }
  for (const node of needed) if (node.op === 'Placeholder' && !fed.has(node.id)) missingFeed(entry, node);
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
  const where = { node: nodeName(node) };
  if (name === undefined) {
    throw new PlacewrightError(
      'PW_FEED_MISSING',
      `entry ${entry.name} needs a placeholder that it cannot be fed`,
      {
        where,
        hint: "add the placeholder to the entry's feeds, or fetch something else",
      },
    );
  }
  throw new PlacewrightError(
    'PW_FEED_MISSING',
    `entry ${entry.name} needs the feed ${JSON.stringify(name)}`,
    {
      where,
      hint: `give a value for ${JSON.stringify(name)}`,
    },
  );
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
