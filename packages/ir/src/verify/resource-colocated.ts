import { type Invariant, nodeViolation, shownNode, shownResource } from './invariant.js';

const NAME = 'resource-colocated';

/** An op that acts on a resource sits on the resource's device. */
export const resourceColocated: Invariant = {
  name: NAME,
  summary: 'an op that acts on a resource sits on the device of the resource',
  from: 'established',
  needs: ['edges-exist'],
  check: (context) =>
    context
      .accesses()
      .filter(({ node, resource }) => node.device !== resource.device)
      .map(({ node, resource }) =>
        nodeViolation(
          NAME,
          node,
          `${shownNode(node)} (${node.op}) is on ${placeOf(node.device)}, but its ${resource.kind} ` +
            `${shownResource(resource)} on ${placeOf(resource.device)}`,
          'move the node to the resource, and copy its result with a Transfer',
        ),
      ),
};

const placeOf = (device: string): string => (device === '' ? 'no device' : device);
