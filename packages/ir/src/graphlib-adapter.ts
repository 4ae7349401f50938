import { alg, Graph } from '@dagrejs/graphlib';
import { PlacewrightError } from './errors.js';

/**
 * The only file that uses graphlib. It gets internal ids alone (`n17`), since graphlib mixes up or breaks on names like
 * `__proto__`, and few nodes, since its algorithms recurse along the edges.
 */
const INTERNAL_ID = /^[nr]\d+$/;

/** Most nodes that graphlib's recursion is trusted with: it overflows the stack at some 4,000. */
export const MAX_COMPONENT_NODES = 2000;

/** Directed edges between internal ids. */
export interface IdGraph<Id extends string> {
  readonly ids: readonly Id[];
  readonly edges: readonly (readonly [from: Id, to: Id])[];
}

/**
 * Strongly connected components that hold a cycle, each in the order of `ids`. Throws PW_INTERNAL_GRAPHLIB for other
 * ids than internal ones and for more than `MAX_COMPONENT_NODES` of them.
 */
export function cyclicComponents<Id extends string>({ ids, edges }: IdGraph<Id>): Id[][] {
  const refused = ids.find((id) => !INTERNAL_ID.test(id));
  if (refused !== undefined || ids.length > MAX_COMPONENT_NODES) {
    throw new PlacewrightError('PW_INTERNAL_GRAPHLIB', 'graphlib gets few nodes with internal ids only', {
      kind: 'internal',
    });
  }
  const graph = new Graph({ directed: true });
  const loops = new Set<Id>();
  const known = new Set(ids);
  for (const id of ids) graph.setNode(id);
  for (const [from, to] of edges) {
    if (from === to) loops.add(from);
    else if (known.has(from) && known.has(to)) graph.setEdge(from, to);
  }
  const components = alg.tarjan(graph).map((component) => new Set(component));
  return components
    .map((component) => ids.filter((id) => component.has(id)))
    .filter((component) => component.length > 1 || component.some((id) => loops.has(id)));
}
