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
  WORKER_JOB,
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

/** As `parameterServers`, for what cannot do without. Throws PW_CLUSTER_NO_PS. */
export function needServers(site: Site): DeviceName[] {
  const found = parameterServers(site);
  if (found.length > 0) return found;
  throw new PlacewrightError('PW_CLUSTER_NO_PS', 'the cluster has no parameter servers', {
    hint: `add a job ${PS_JOB}, or take a strategy that keeps variables on the workers`,
  });
}

/** The tasks that are trained on, the first of which is the chief; none on a local cluster. */
export function workerTasks({ cluster }: Site): TaskName[] {
  return jobTasks(cluster, WORKER_JOB);
}

/** Place of the compiled task among the workers; 0 on a local cluster. */
export function workerIndex(site: Site): number {
  return Math.max(
    0,
    workerTasks(site).findIndex(({ index }) => index === site.task.index),
  );
}

/** Whether a device is one of the task that is compiled for: what lives elsewhere is shared with other tasks. */
export function isOfTask(device: DeviceName, { cluster, task }: Site): boolean {
  return taskDevices(cluster, task).includes(device);
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
