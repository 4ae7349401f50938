import {
  type Cluster,
  type DeviceName,
  DTYPE_BYTES,
  elementCount,
  resourceName,
  taskDevices,
} from '@placewright/ir';
import { shownBytes } from './imbalance.js';
import type { WarningRule } from './warning.js';

/** A variable that its device has no memory for. */
export const variableMemory: WarningRule = {
  code: 'PW_VARIABLE_MEMORY',
  summary: 'a variable is larger than its device, where the cluster says how much memory that has',
  why: 'placement goes by loads, not by what fits: the run would end when the variable is initialised',
  find: ({ module }) => {
    const { cluster } = module;
    if (cluster === null) return undefined;
    const memory = memoryOf(cluster);
    for (const resource of module.resources.values()) {
      if (resource.kind !== 'variable') continue;
      const bytes = (elementCount(resource.shape) ?? 0) * DTYPE_BYTES[resource.dtype];
      const room = memory.get(resource.device);
      if (room === undefined || bytes <= room) continue;
      return {
        message: `variable ${JSON.stringify(resourceName(resource))} takes ${shownBytes(bytes)}, and ${resource.device} has ${shownBytes(room)}`,
        hint: 'split the variable, give the device more memory, or place the variable elsewhere by hand',
      };
    }
    return undefined;
  },
};

function memoryOf(cluster: Cluster): Map<DeviceName, number> {
  const memory = new Map<DeviceName, number>();
  for (const { name: job, tasks } of cluster.jobs)
    for (const { index, devices } of tasks)
      taskDevices(cluster, { job, index }).forEach((device, i) => {
        const bytes = devices[i]?.memory;
        if (bytes !== undefined) memory.set(device, bytes);
      });
  return memory;
}
