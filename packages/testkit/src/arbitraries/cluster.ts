import {
  type Cluster,
  distributedCluster,
  LOCAL_TASK,
  localCluster,
  type TaskName,
  WORKER_JOB,
} from '@placewright/ir';
import fc from 'fast-check';
import { record } from './record.js';

export interface ClusterBounds {
  /** Most towers of a cluster; 4 by default. */
  readonly maxTowers?: number;
  /** Most parameter servers of a cluster; 3 by default, 0 for local clusters alone. */
  readonly maxServers?: number;
}

/** A cluster with one task that trains, as plain data: what shrinks and prints well. */
export interface ClusterPlan {
  readonly towers: number;
  /** Devices of the towers. Without accelerators the CPUs are the towers, the host among them. */
  readonly type: 'GPU' | 'CPU';
  /** Parameter servers of the one worker; 0 for a local cluster. */
  readonly servers: number;
}

/**
 * Clusters of 1 to `maxTowers` towers, some of them without a GPU, half of them with parameter servers. Shrinks to one
 * local GPU.
 */
export function clusterPlans({
  maxTowers = 4,
  maxServers = 3,
}: ClusterBounds = {}): fc.Arbitrary<ClusterPlan> {
  return record({
    towers: fc.integer({ min: 1, max: maxTowers }),
    type: fc.oneof(
      { weight: 7, arbitrary: fc.constant('GPU' as const) },
      { weight: 1, arbitrary: fc.constant('CPU' as const) },
    ),
    servers: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: maxServers })),
  });
}

/** The cluster of a plan; of more workers where the plan has parameter servers and they are asked for. */
export function clusterOf({ towers, type, servers }: ClusterPlan, workers = 1): Cluster {
  if (servers > 0) {
    return distributedCluster({
      psHosts: Array.from({ length: servers }, (_, i) => `ps${i}:2222`),
      workerHosts: Array.from({ length: workers }, (_, i) => `worker${i}:2222`),
      numGpus: towers,
      device: type === 'GPU' ? 'gpu' : 'cpu',
    });
  }
  if (type === 'GPU') return localCluster({ numGpus: towers });
  const devices = Array.from({ length: towers }, (_, index) => ({ type: 'CPU', index }));
  return { jobs: [{ name: '', tasks: [{ index: 0, devices }] }], links: [] };
}

/** The task of a plan's cluster that trains. */
export function taskOf({ servers }: ClusterPlan): TaskName {
  return servers > 0 ? { job: WORKER_JOB, index: 0 } : LOCAL_TASK;
}

/** Clusters of several jobs and tasks: for what only reads them (formats, device names). */
export function anyClusters(): fc.Arbitrary<Cluster> {
  const device = record({ type: fc.constantFrom('CPU', 'GPU'), index: fc.nat(3) });
  const task = record({
    index: fc.nat(3),
    devices: fc.uniqueArray(device, {
      minLength: 1,
      maxLength: 3,
      selector: ({ type, index }) => `${type}${index}`,
    }),
  });
  const job = record({
    name: fc.constantFrom('ps', 'worker', 'chief'),
    tasks: fc.uniqueArray(task, { minLength: 1, maxLength: 3, selector: ({ index }) => index }),
  });
  return record({
    jobs: fc.uniqueArray(job, { minLength: 1, maxLength: 3, selector: ({ name }) => name }),
    links: fc.array(
      record({
        a: fc.constant('/job:ps/task:0/device:CPU:0'),
        b: fc.constant('/job:worker/task:0/device:GPU:0'),
        bandwidth: fc.integer({ min: 1, max: 10 }).map((n) => n * 1e9),
        latency: fc.constantFrom(0, 1e-6, 0.001),
      }),
      { maxLength: 2 },
    ),
  });
}
