import { shownNode } from '../invariant.js';
import { type Place, type SyncNet, transitionAt } from './net.js';

/** The nodes at some places, as messages name them: the first eight. */
export function namesAt(net: SyncNet, places: readonly Place[]): string[] {
  return [...new Set(places.flatMap((place) => transitionAt(net, place)?.nodes ?? []))]
    .slice(0, 8)
    .map(shownNode);
}
