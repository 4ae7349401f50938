import type { Node, TensorRef } from '../graph.js';
import { type Invariant, nodeViolation, shownNode, type VerifyContext, type Violation } from './invariant.js';

const NAME = 'transfers-explicit';

/** Tensors change their device in a `Transfer` only; there is one for each tensor and destination. */
export const transfersExplicit: Invariant = {
  name: NAME,
  summary: 'tensors change their device only in a Transfer, one for each tensor and destination',
  from: 'established',
  needs: ['edges-exist'],
  check: (context) => {
    const out: Violation[] = [];
    const copies = new Map<string, Node>();
    for (const node of context.module.graph.nodes.values()) {
      if (node.op === 'Transfer') out.push(...transferFaults(context, node, copies));
      else out.push(...crossings(context, node));
    }
    return out;
  },
};

function crossings({ module }: VerifyContext, node: Node): Violation[] {
  const out: Violation[] = [];
  for (const { node: id } of node.inputs) {
    const source = module.graph.nodes.get(id);
    if (source === undefined || source.device === node.device) continue;
    out.push(
      nodeViolation(
        NAME,
        node,
        `${shownNode(node)} on ${placeOf(node)} takes ${shownNode(source)} from ${placeOf(source)} without a Transfer`,
        `put a Transfer on ${placeOf(node)} between them`,
      ),
    );
  }
  return out;
}

function transferFaults({ module }: VerifyContext, node: Node, copies: Map<string, Node>): Violation[] {
  const [input] = node.inputs;
  const source = input === undefined ? undefined : module.graph.nodes.get(input.node);
  if (input === undefined || source === undefined) return [];
  if (source.device === node.device) {
    const what = `${shownNode(node)} copies ${shownNode(source)} to ${placeOf(node)}, where it already is`;
    return [nodeViolation(NAME, node, what, 'use the tensor itself')];
  }
  const key = copyKey(input, node);
  const other = copies.get(key);
  if (other === undefined) {
    copies.set(key, node);
    return [];
  }
  const what = `${shownNode(other)} and ${shownNode(node)} both copy ${shownNode(source)}:${input.port} to ${placeOf(node)}`;
  return [nodeViolation(NAME, node, what, 'share one Transfer')];
}

const copyKey = ({ node, port }: TensorRef, { device }: Node): string => `${node}:${port} ${device}`;

const placeOf = ({ device }: Node): string => (device === '' ? 'no device' : device);
