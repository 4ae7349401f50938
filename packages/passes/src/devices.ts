import {
  type Cluster,
  clusterDevices,
  type DeviceName,
  deviceMatches,
  isLocal,
  mergeDevices,
  PlacewrightError,
  parseDevice,
} from '@placewright/ir';

/** The host of the task that the graph is compiled for: its first CPU. Throws PW_CLUSTER_NO_CPU. */
export function hostDevice(cluster: Cluster): DeviceName {
  const cpu = localDevices(cluster).find((name) => parseDevice(name).type === 'CPU');
  if (cpu !== undefined) return cpu;
  throw new PlacewrightError('PW_CLUSTER_NO_CPU', 'the cluster has no CPU device', {
    hint: 'add a CPU: variables and input need a host',
  });
}

/** One device for each tower: the accelerators of the task, or its CPUs where it has none. */
export function towerDevices(cluster: Cluster): DeviceName[] {
  const all = localDevices(cluster);
  const accelerators = all.filter((name) => parseDevice(name).type !== 'CPU');
  return accelerators.length > 0 ? accelerators : all;
}

/**
 * The device that a name means beside a default: missing parts are the default's, and what then is still partial (a
 * CPU without a number on a tower that is a GPU) is the first device of the task that matches.
 */
export function resolveDevice(wished: DeviceName, beside: DeviceName, cluster: Cluster): DeviceName {
  const merged = mergeDevices(wished, beside);
  if (merged === beside) return merged;
  const devices = localDevices(cluster);
  return devices.includes(merged) ? merged : (devices.find((name) => deviceMatches(name, merged)) ?? merged);
}

function localDevices(cluster: Cluster): DeviceName[] {
  if (!isLocal(cluster)) {
    throw new PlacewrightError(
      'PW_CLUSTER_DISTRIBUTED',
      'a cluster of several jobs needs a distributed strategy',
      {
        hint: 'compile for one task: localCluster({ numGpus })',
      },
    );
  }
  return clusterDevices(cluster);
}
