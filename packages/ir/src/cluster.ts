import { type DeviceName, formatDevice } from './device.js';
import { PlacewrightError } from './errors.js';

/** One device of a task, logical until a binding maps it to something real. */
export interface ClusterDevice {
  /** `CPU`, `GPU`, … */
  readonly type: string;
  readonly index: number;
  /** Bytes of memory, where known. */
  readonly memory?: number;
}

export interface ClusterTask {
  readonly index: number;
  /** `host:port`, where the task stands somewhere. */
  readonly address?: string;
  readonly devices: readonly ClusterDevice[];
}

export interface ClusterJob {
  readonly name: string;
  readonly tasks: readonly ClusterTask[];
}

/** A link between two devices (full names), both ways. */
export interface ClusterLink {
  readonly a: DeviceName;
  readonly b: DeviceName;
  /** Bytes a second. */
  readonly bandwidth: number;
  /** Seconds. */
  readonly latency: number;
}

/** What a graph is compiled for. A local cluster has one job without a name (`''`), whose devices are named without job and task. */
export interface Cluster {
  readonly jobs: readonly ClusterJob[];
  readonly links: readonly ClusterLink[];
}

/** Largest number of devices of one task: beyond it a number is taken for a mistake. */
export const MAX_DEVICES = 1024;

/** The devices of this process: one host CPU and `numGpus` logical GPUs. Throws PW_CLUSTER_SIZE. */
export function localCluster(options: { readonly numGpus: number }): Cluster {
  const { numGpus } = options;
  if (!Number.isInteger(numGpus) || numGpus < 1 || numGpus > MAX_DEVICES) {
    throw new PlacewrightError('PW_CLUSTER_SIZE', `${numGpus} devices are not possible`, {
      hint: `give a whole number from 1 to ${MAX_DEVICES}`,
    });
  }
  const gpus = Array.from({ length: numGpus }, (_, index) => ({ type: 'GPU', index }));
  return {
    jobs: [{ name: '', tasks: [{ index: 0, devices: [{ type: 'CPU', index: 0 }, ...gpus] }] }],
    links: [],
  };
}

export function isLocal(cluster: Cluster): boolean {
  return cluster.jobs.length === 1 && cluster.jobs[0]?.name === '';
}

/** Full names of all devices, job by job and task by task. */
export function clusterDevices(cluster: Cluster): DeviceName[] {
  return cluster.jobs.flatMap((job) =>
    job.tasks.flatMap((task) =>
      task.devices.map(({ type, index }) =>
        formatDevice(job.name === '' ? { type, index } : { job: job.name, task: task.index, type, index }),
      ),
    ),
  );
}

/** Which real thing each logical device of a cluster runs on; printed with every run. */
export interface Binding {
  readonly device: DeviceName;
  /** `cpu worker 0`, `webgpu "SwiftShader"`, … */
  readonly target: string;
}

/** `/device:GPU:0 → cpu worker 0`, one a line. */
export function formatBinding(bindings: readonly Binding[]): string {
  const width = Math.max(0, ...bindings.map(({ device }) => device.length));
  return bindings.map(({ device, target }) => `${device.padEnd(width)} → ${target}`).join('\n');
}
