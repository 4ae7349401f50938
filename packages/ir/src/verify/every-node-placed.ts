import { isLocal } from '../cluster.js';
import { isFullDevice } from '../device.js';
import { PlacewrightError } from '../errors.js';
import {
  type Invariant,
  nodeViolation,
  resourceViolation,
  shownNode,
  shownResource,
  type Violation,
} from './invariant.js';

const NAME = 'every-node-placed';
const HINT = 'placement ends with a device for everything: let place-rest run, or give the device by hand';

/** Every node and every resource has a full device name. */
export const everyNodePlaced: Invariant = {
  name: NAME,
  summary: 'every node and resource has a full device name',
  from: 'established',
  needs: [],
  check: ({ module }) => {
    const local = module.cluster === null || isLocal(module.cluster);
    const out: Violation[] = [];
    for (const node of module.graph.nodes.values()) {
      if (isFull(node.device, local)) continue;
      out.push(nodeViolation(NAME, node, `${shownNode(node)} is ${placeOf(node.device)}`, HINT));
    }
    for (const resource of module.resources.values()) {
      if (isFull(resource.device, local)) continue;
      out.push(
        resourceViolation(NAME, resource, `${shownResource(resource)} is ${placeOf(resource.device)}`, HINT),
      );
    }
    return out;
  },
};

const placeOf = (device: string): string =>
  device === '' ? 'on no device' : `only said to be on ${device}, which is not one device`;

function isFull(device: string, local: boolean): boolean {
  try {
    return isFullDevice(device, local);
  } catch (error) {
    if (error instanceof PlacewrightError) return false;
    throw error;
  }
}
