import {
  type Cluster,
  type DeviceName,
  deviceMatches,
  jobTasks,
  mergeDevices,
  PlacewrightError,
  PS_JOB,
  parseDevice,
  type TaskName,
  taskDevices,
} from '@placewright/ir';

/** A cluster seen from the task that is compiled for. */
export interface Site {
  readonly cluster: Cluster;
  readonly task: TaskName;
}

/** The host of the task that the graph is compiled for: its first CPU. Throws PW_CLUSTER_NO_CPU. */
export function hostDevice(site: Site): DeviceName {
  return firstCpu(site);
}

function firstCpu({ cluster, task }: Site): DeviceName {
  const cpu = taskDevices(cluster, task).find((name) => parseDevice(name).type === 'CPU');
  if (cpu !== undefined) return cpu;
  const where = task.job === '' ? 'the cluster' : `/job:${task.job}/task:${task.index}`;
  throw new PlacewrightError('PW_CLUSTER_NO_CPU', `${where} has no CPU device`, {
    hint: 'add a CPU: variables and input need a host',
  });
}

/** One device for each tower: the accelerators of the task, or its CPUs where it has none. */
export function towerDevices({ cluster, task }: Site): DeviceName[] {
  const all = taskDevices(cluster, task);
  const accelerators = all.filter((name) => parseDevice(name).type !== 'CPU');
  return accelerators.length > 0 ? accelerators : all;
}

/** The CPUs of the parameter servers, in the order of their tasks; none on a local cluster. */
export function parameterServers({ cluster }: Site): DeviceName[] {
  return jobTasks(cluster, PS_JOB).map((task) => firstCpu({ cluster, task }));
}

/**
 * The device that a name means beside a default: missing parts are the default's, and what then is still partial (a
 * CPU without a number on a tower that is a GPU) is the first device of the task that matches.
 */
export function resolveDevice(wished: DeviceName, beside: DeviceName, { cluster, task }: Site): DeviceName {
  const merged = mergeDevices(wished, beside);
  if (merged === beside) return merged;
  const devices = taskDevices(cluster, task);
  return devices.includes(merged) ? merged : (devices.find((name) => deviceMatches(name, merged)) ?? merged);
}
