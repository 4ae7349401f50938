import { PlacewrightError } from '@placewright/ir';
import { type GraphNode, shown } from './nodes.js';

/** Ops by which TensorFlow's loops go round. */
const LOOPS = new Set(['NextIteration', 'RefNextIteration']);

/**
 * The nodes so that each comes after those before it (Kahn 1962), ties in the order given. Throws PW_GRAPHDEF_CYCLE.
 */
export function inOrder(
  nodes: readonly GraphNode[],
  before: (node: GraphNode) => readonly string[],
): GraphNode[] {
  const numbers = new Map(nodes.map(({ name }, i) => [name, i]));
  const waiting = new Int32Array(nodes.length);
  const after: number[][] = nodes.map(() => []);
  nodes.forEach((node, i) => {
    for (const name of before(node)) {
      const number = numbers.get(name);
      if (number === undefined) continue;
      after[number]?.push(i);
      waiting[i] = (waiting[i] ?? 0) + 1;
    }
  });
  const order: number[] = [];
  waiting.forEach((count, i) => {
    if (count === 0) order.push(i);
  });
  for (let done = 0; done < order.length; done++) {
    for (const next of after[order[done] ?? 0] ?? []) {
      waiting[next] = (waiting[next] ?? 0) - 1;
      if (waiting[next] === 0) order.push(next);
    }
  }
  if (order.length < nodes.length) {
    throw cycle(
      nodes.filter((_, i) => (waiting[i] ?? 0) > 0),
      before,
    );
  }
  return order.flatMap((i) => nodes[i] ?? []);
}

/** Walks backwards among nodes that all wait for another one of them, until one comes again. */
function cycle(
  stuck: readonly GraphNode[],
  before: (node: GraphNode) => readonly string[],
): PlacewrightError {
  const byName = new Map(stuck.map((node) => [node.name, node]));
  const seen = new Map<string, number>();
  const path: GraphNode[] = [];
  let at = stuck[0];
  while (at !== undefined && !seen.has(at.name)) {
    seen.set(at.name, path.length);
    path.push(at);
    at = before(at).flatMap((name) => byName.get(name) ?? [])[0];
  }
  const round = path.slice(at === undefined ? 0 : seen.get(at.name)).reverse();
  const names = round.slice(0, 8).map(({ name }) => shown(name));
  const loop = round.some(({ op }) => LOOPS.has(op));
  return new PlacewrightError(
    'PW_GRAPHDEF_CYCLE',
    `the graph has a ${loop ? 'loop' : 'cycle'}: ${names.join(' → ')}${round.length > 8 ? ' → …' : ''}`,
    {
      where: { node: round[0]?.name ?? '' },
      hint: loop
        ? 'loops of TensorFlow (tf.while_loop) have no place in the IR: unroll them'
        : 'the file is damaged: only loops of TensorFlow go round',
    },
  );
}
