import { taskPrefix } from './cluster.js';
import { parseDevice } from './device.js';
import { PlacewrightError } from './errors.js';
import { type Module, resourceName, type VariableResource } from './graph.js';

/**
 * All variables by the name that a caller knows them by: the shown one; where several tasks have a variable of that
 * name, as the workers of a linked module do, with its task in front: `worker_1/v0/conv0/weights`. A number follows where
 * even that is another variable's.
 */
export function variableNames(module: Module): Map<string, VariableResource> {
  const byName = new Map<string, VariableResource[]>();
  for (const resource of module.resources.values()) {
    if (resource.kind !== 'variable') continue;
    const name = resourceName(resource);
    const list = byName.get(name);
    if (list === undefined) byName.set(name, [resource]);
    else list.push(resource);
  }
  const names = new Map<string, VariableResource>();
  for (const [name, variables] of byName) {
    for (const variable of variables) {
      const own = variables.length === 1 ? name : qualified(name, variable, names, byName);
      names.set(own, variable);
    }
  }
  return names;
}

/** With its task in front, and so that neither a name that was given nor a shown one is the same. */
function qualified(
  name: string,
  { device }: VariableResource,
  given: ReadonlyMap<string, unknown>,
  shown: ReadonlyMap<string, unknown>,
): string {
  const prefix = taskOf(device);
  const wanted = prefix === '' ? name : `${prefix}/${name}`;
  const isTaken = (text: string): boolean => given.has(text) || (text !== name && shown.has(text));
  let free = wanted;
  for (let i = 1; isTaken(free); i++) free = `${wanted}_${i}`;
  return free;
}

function taskOf(device: string): string {
  try {
    const { job = '', task = 0 } = parseDevice(device);
    return taskPrefix({ job, index: task });
  } catch (error) {
    // `legal-devices` reports what is no device.
    if (error instanceof PlacewrightError) return device;
    throw error;
  }
}
