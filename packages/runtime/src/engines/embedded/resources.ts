import { type DeviceName, isBuffer, type Module, resourceName } from '@placewright/ir';
import type { ResourceInfo } from './protocol.js';

/** The variables, staging areas and queues that live on each device. */
export function resourcesByDevice(module: Module): Map<DeviceName, ResourceInfo[]> {
  const out = new Map<DeviceName, ResourceInfo[]>();
  for (const resource of module.resources.values()) {
    const { id, device } = resource;
    const name = resourceName(resource);
    const list = out.get(device) ?? [];
    out.set(device, list);
    if (resource.kind === 'variable')
      list.push({ kind: 'variable', id, name, dtype: resource.dtype, shape: resource.shape });
    if (isBuffer(resource)) {
      list.push({ kind: 'buffer', id, name, types: resource.types, capacity: resource.capacity });
    }
  }
  return out;
}
