import {
  compareDevices,
  type DeviceName,
  DTYPE_BYTES,
  elementCount,
  jobTasks,
  type Module,
  PS_JOB,
  taskDevices,
} from '@placewright/ir';
import type { WarningRule } from './warning.js';

/** Largest load by the mean load beyond which parameters are called badly spread. */
export const IMBALANCE_LIMIT = 1.5;

/** Parameters that are spread unevenly over several devices. */
export const imbalance: WarningRule = {
  code: 'PW_IMBALANCE',
  summary: `one of the parameter devices holds over ${IMBALANCE_LIMIT} times the mean`,
  why: 'every step moves all of a variable to its readers and back: the device with the most bytes is the one that all wait for',
  find: ({ module }) => {
    const loads = parameterLoads(module);
    const total = loads.reduce((sum, { bytes }) => sum + bytes, 0);
    const [most] = loads.toSorted((a, b) => b.bytes - a.bytes || compareDevices(a.device, b.device));
    const ratio = most === undefined || total === 0 ? 0 : (most.bytes * loads.length) / total;
    if (most === undefined || loads.length < 2 || ratio <= IMBALANCE_LIMIT) return undefined;
    return {
      message: `${most.device} holds ${shownBytes(most.bytes)} of ${shownBytes(total)} of variables, ${ratio.toFixed(2)} times the mean of ${loads.length} devices`,
      hint: 'split the largest variable, take fewer parameter devices, or place variables by hand',
    };
  },
};

/** Bytes of variables, slots included, on each device that variables were spread over; none where there was no choice. */
export function parameterLoads(module: Module): { readonly device: DeviceName; readonly bytes: number }[] {
  const loads = new Map(parameterDevices(module).map((device) => [device, 0]));
  for (const resource of module.resources.values()) {
    if (resource.kind !== 'variable' || resource.scope === '') continue;
    const before = loads.get(resource.device);
    if (before === undefined) continue;
    loads.set(resource.device, before + (elementCount(resource.shape) ?? 0) * DTYPE_BYTES[resource.dtype]);
  }
  return [...loads].map(([device, bytes]) => ({ device, bytes }));
}

/** The parameter servers, or the devices that a balancer chose among. */
function parameterDevices({ cluster, decisions }: Module): readonly DeviceName[] {
  const servers = cluster === null ? [] : jobTasks(cluster, PS_JOB);
  if (cluster !== null && servers.length > 0) return servers.flatMap((task) => taskDevices(cluster, task));
  const balanced = decisions.find(({ about, candidates }) => about === 'device' && candidates.length > 1);
  return (balanced?.candidates ?? []).map(({ name }) => name);
}

/** `6.4 MB`; decimal units, as networks and disks are sold. */
export function shownBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** unit;
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}
