import type { Node } from '../graph.js';
import { type Invariant, nodeViolation, shown, shownNode, type Violation } from './invariant.js';

const NAME = 'colocation';

/** Nodes of one colocation group share a device. One violation a group. */
export const colocation: Invariant = {
  name: NAME,
  summary: 'nodes of one colocation group share a device',
  from: 'established',
  needs: [],
  check: ({ module }) => {
    const out: Violation[] = [];
    const reported = new Set<string>();
    const firsts = new Map<string, Node>();
    for (const node of module.graph.nodes.values()) {
      if (node.colocation === null) continue;
      const first = firsts.get(node.colocation);
      if (first === undefined) firsts.set(node.colocation, node);
      else if (first.device !== node.device && !reported.has(node.colocation)) {
        reported.add(node.colocation);
        const what = `${shownNode(first)} is on ${placeOf(first)}, but ${shownNode(node)} on ${placeOf(node)}`;
        const message = `of the colocation group ${shown(node.colocation)}, ${what}`;
        out.push(nodeViolation(NAME, node, message, 'place the group as one'));
      }
    }
    return out;
  },
};

const placeOf = ({ device }: Node): string => (device === '' ? 'no device' : device);
