import type { Node, NodeId } from '../../graph.js';

/** Nodes of a round in topological order. */
export interface RoundGraph {
  readonly nodes: readonly Node[];
  readonly index: ReadonlyMap<NodeId, number>;
}

export function roundGraph(
  order: readonly Node[],
  position: ReadonlyMap<NodeId, number>,
  ids: ReadonlySet<NodeId>,
): RoundGraph {
  const places = Int32Array.from(ids, (id) => position.get(id) ?? 0).sort();
  const nodes = Array.from(places, (place) => order[place] as Node);
  return { nodes, index: new Map(nodes.map(({ id }, i) => [id, i])) };
}

/** Numbers of transitions, each once. Never changed once it is made, so that nodes can share it. */
export type Few = readonly number[];

const NONE: Few = [];

/** Which transition each node is, by its place in the round; -1 for none. */
export type Marks = Int32Array;

/**
 * The nearest transitions before each node, by its place: those from which a path leads to it past no other transition.
 */
export function nearestBefore({ nodes, index }: RoundGraph, marks: Marks, count: number): Few[] {
  const union = unions(count);
  const seen = sight(marks, count);
  const sets: Few[] = new Array(nodes.length).fill(NONE);
  nodes.forEach((node, i) => {
    const parts: Few[] = [];
    forEachBefore(node, index, (at) => parts.push(seen(at, sets)));
    sets[i] = union(parts);
  });
  return sets;
}

/** The nearest transitions after each node, by its place. */
export function nearestAfter({ nodes, index }: RoundGraph, marks: Marks, count: number): Few[] {
  const union = unions(count);
  const seen = sight(marks, count);
  const sets: Few[] = new Array(nodes.length).fill(NONE);
  const parts: Few[][] = nodes.map(() => []);
  for (let i = nodes.length - 1; i >= 0; i--) {
    sets[i] = union(parts[i] ?? []);
    parts[i] = [];
    const set = seen(i, sets);
    if (set.length > 0) forEachBefore(nodes[i] as Node, index, (at) => parts[at]?.push(set));
  }
  return sets;
}

function forEachBefore(
  { inputs, controls }: Node,
  index: ReadonlyMap<NodeId, number>,
  visit: (at: number) => void,
): void {
  for (const { node } of inputs) {
    const at = index.get(node);
    if (at !== undefined) visit(at);
  }
  for (const id of controls) {
    const at = index.get(id);
    if (at !== undefined) visit(at);
  }
}

/** What a neighbour sees of a node: the transition that it is, or those behind it. */
function sight(marks: Marks, count: number): (at: number, sets: readonly Few[]) => Few {
  const alone = Array.from({ length: count }, (_, i): Few => [i]);
  return (at, sets) => {
    const mark = marks[at] ?? -1;
    return (mark >= 0 ? alone[mark] : sets[at]) ?? NONE;
  };
}

/** Unions of sets. Gives one of them where it is all, so that along chains one set serves all. */
function unions(count: number): (parts: readonly Few[]) => Few {
  const stamps = new Int32Array(count);
  let stamp = 0;
  return (parts) => {
    let largest = NONE;
    for (const part of parts) if (part.length > largest.length) largest = part;
    if (parts.every((part) => part === largest || part.length === 0)) return largest;
    stamp += 1;
    for (const i of largest) stamps[i] = stamp;
    const more: number[] = [];
    for (const part of parts) {
      if (part === largest) continue;
      for (const i of part) {
        if (stamps[i] === stamp) continue;
        stamps[i] = stamp;
        more.push(i);
      }
    }
    return more.length === 0 ? largest : [...largest, ...more];
  };
}
