import { clusterDevices } from '../cluster.js';
import { canonicalDevice, type DeviceName, deviceMatches, formatDevice, parseDevice } from '../device.js';
import { PlacewrightError } from '../errors.js';
import {
  type Invariant,
  nodeViolation,
  resourceViolation,
  shown,
  shownNode,
  shownResource,
  type Violation,
} from './invariant.js';

const NAME = 'legal-devices';
/** Devices of the cluster that a hint lists. */
const LISTED = 8;

/** Device names are canonical, and where a cluster is set, each matches one of its devices. */
export const legalDevices: Invariant = {
  name: NAME,
  summary: 'device names are canonical, and exist in the cluster once one is set',
  from: 'always',
  needs: [],
  check: ({ module }) => {
    const out: Violation[] = [];
    const faultOf = deviceChecker(module.cluster === null ? null : clusterDevices(module.cluster));
    for (const node of module.graph.nodes.values()) {
      const fault = faultOf(node.device);
      if (fault !== null) {
        out.push(nodeViolation(NAME, node, `${shownNode(node)} is on ${fault.what}`, fault.hint));
      }
    }
    for (const resource of module.resources.values()) {
      const fault = faultOf(resource.device);
      if (fault !== null) {
        out.push(
          resourceViolation(NAME, resource, `${shownResource(resource)} is on ${fault.what}`, fault.hint),
        );
      }
    }
    return out;
  },
};

interface DeviceFault {
  readonly what: string;
  readonly hint: string;
}

/** Gives what is wrong with a device; each name is looked at once. */
function deviceChecker(devices: readonly DeviceName[] | null): (device: DeviceName) => DeviceFault | null {
  const known = new Map<DeviceName, DeviceFault | null>();
  return (device) => {
    const before = known.get(device);
    if (before !== undefined) return before;
    const fault = deviceFault(device, devices);
    known.set(device, fault);
    return fault;
  };
}

function deviceFault(device: DeviceName, devices: readonly DeviceName[] | null): DeviceFault | null {
  try {
    const canonical = canonicalDevice(device);
    if (canonical !== device) {
      return { what: `${shown(device)}, which is not in canonical form`, hint: `write ${canonical}` };
    }
  } catch (error) {
    if (!(error instanceof PlacewrightError)) throw error;
    return { what: `${shown(device)}, which is no device`, hint: error.hint };
  }
  const { replica, ...spec } = parseDevice(device);
  // A cluster has one replica of everything, as TensorFlow's has: `/replica:0` says nothing.
  const pattern = replica === 0 ? formatDevice(spec) : device;
  if (devices === null || devices.some((name) => deviceMatches(name, pattern))) return null;
  const more = devices.length > LISTED ? `, … (${devices.length} in all)` : '';
  return {
    what: `${device}, which the cluster does not have`,
    hint: `it has ${devices.slice(0, LISTED).join(', ')}${more}`,
  };
}
