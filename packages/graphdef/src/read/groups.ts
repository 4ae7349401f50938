import { CLASS_ATTR, CLASS_PREFIX, GROUP_MARK } from '../marks.js';
import { type GraphNode, textAttrOf, textsAttrOf } from './nodes.js';

/**
 * Groups of colocated nodes, by the names of their nodes. A node names another one that it goes with, and that one another
 * again: the last of them names the group, and is in it, unless ours says another name.
 */
export function readGroups(graph: ReadonlyMap<string, GraphNode>): Map<string, string> {
  const wanted = new Map<string, string>();
  for (const node of graph.values()) {
    const [first] = (textsAttrOf(node, CLASS_ATTR) ?? []).filter((text) => text.startsWith(CLASS_PREFIX));
    if (first !== undefined) wanted.set(node.name, first.slice(CLASS_PREFIX.length));
  }
  const groups = new Map<string, string>();
  for (const [name, target] of wanted) {
    const group = lastOf(wanted, target);
    groups.set(name, group);
    groups.set(group, group);
  }
  for (const node of graph.values()) {
    const named = textAttrOf(node, GROUP_MARK);
    if (named !== undefined) groups.set(node.name, named);
  }
  return groups;
}

function lastOf(wanted: ReadonlyMap<string, string>, start: string): string {
  const seen = new Set([start]);
  let at = start;
  for (let next = wanted.get(at); next !== undefined && !seen.has(next); next = wanted.get(at)) {
    seen.add(next);
    at = next;
  }
  // A ring has no last one: the least name stands for all of it.
  return wanted.has(at) ? ([...seen].sort()[0] ?? at) : at;
}
