import { parseDevice } from '../device.js';
import { PlacewrightError } from '../errors.js';
import { nodeName, type Resource, resourceName } from '../graph.js';
import { type Invariant, nodeViolation, resourceViolation, shown, type Violation } from './invariant.js';

const NAME = 'unique-names';
const HINT = 'rename one of the two; an editor makes names unique by itself';

/** No two nodes are shown under one name, and no two resources of one kind and task share an identity. */
export const uniqueNames: Invariant = {
  name: NAME,
  summary: 'no two nodes, and no two resources of one kind, container and task, have one shown name',
  from: 'always',
  needs: [],
  check: ({ module }) => {
    const out: Violation[] = [];
    const nodes = new Map<string, string>();
    for (const node of module.graph.nodes.values()) {
      const name = nodeName(node);
      const other = nodes.get(name);
      if (other === undefined) nodes.set(name, node.id);
      else
        out.push(nodeViolation(NAME, node, `%${other} and %${node.id} are both called ${shown(name)}`, HINT));
    }
    const resources = new Map<string, string>();
    for (const resource of module.resources.values()) {
      const key = identity(resource);
      const other = resources.get(key);
      if (other === undefined) resources.set(key, resource.id);
      else {
        const what = `%${other} and %${resource.id} are the same ${resource.kind}: ${shown(resourceName(resource))}`;
        out.push(resourceViolation(NAME, resource, what, HINT));
      }
    }
    return out;
  },
};

/** What the run time tells resources of one kind apart by. A variable of the same name in another task is another one. */
function identity(resource: Resource): string {
  const { kind, container, device } = resource;
  // The length keeps two parts that run into each other apart.
  return `${kind} ${container.length} ${container} ${taskOf(device)} ${resourceName(resource)}`;
}

function taskOf(device: string): string {
  try {
    const { job = '', task = '' } = parseDevice(device);
    return `${job}:${task}`;
  } catch (error) {
    // `legal-devices` reports what is no device.
    if (error instanceof PlacewrightError) return device;
    throw error;
  }
}
