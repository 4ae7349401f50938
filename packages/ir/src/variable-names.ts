import { taskPrefix } from './cluster.js';
import { parseDevice } from './device.js';
import { PlacewrightError } from './errors.js';
import { type Module, resourceName, type VariableResource } from './graph.js';

/**
 * All variables by the name that a caller knows them by: the shown one; where several tasks have a variable of that
 * name, as the workers of a linked module do, with its task in front: `worker_1/v0/conv0/weights`.
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
    for (const variable of variables)
      names.set(variables.length === 1 ? name : qualified(name, variable), variable);
  }
  return names;
}

function qualified(name: string, { device }: VariableResource): string {
  const prefix = taskOf(device);
  return prefix === '' ? name : `${prefix}/${name}`;
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
