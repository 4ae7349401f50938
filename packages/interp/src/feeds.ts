import {
  checkFeeds,
  type Entry,
  type Module,
  type Node,
  type NodeId,
  type TensorValue,
} from '@placewright/ir';
import { copyOf } from './data.js';
import { roundHalf } from './rounding.js';

/** Values by name. */
export type Named<T> = ReadonlyMap<string, T> | Readonly<Record<string, T>>;

export function asMap<T>(named: Named<T>): ReadonlyMap<string, T> {
  return named instanceof Map ? (named as ReadonlyMap<string, T>) : new Map(Object.entries(named));
}

/** Copies of what is fed, by placeholder; `running` are the nodes that run. Throws PW_FEED_*. */
export function takeFeeds(
  module: Module,
  entry: Entry,
  given: ReadonlyMap<string, TensorValue>,
  running: readonly Node[],
): Map<NodeId, TensorValue> {
  const needed = running.filter(({ op }) => op === 'Placeholder');
  const fed = checkFeeds(module, entry, given, needed);
  return new Map([...fed].map(([id, value]) => [id, roundHalf(copyOf(value))]));
}
