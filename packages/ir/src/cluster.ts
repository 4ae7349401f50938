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

/** A task of a cluster by its name: `/job:worker/task:1`. */
export interface TaskName {
  readonly job: string;
  readonly index: number;
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

/** Jobs of a cluster in the way of tf_cnn_benchmarks: variables live on `ps` tasks, models run on `worker` tasks. */
export const PS_JOB = 'ps';
export const WORKER_JOB = 'worker';

/** The one task of a local cluster. */
export const LOCAL_TASK: TaskName = { job: '', index: 0 };

export interface TowerDevices {
  /** Towers of one task. */
  readonly numGpus: number;
  /** What they run on: GPUs, or as many logical CPUs; `gpu` when left out. */
  readonly device?: 'cpu' | 'gpu';
}

/** The devices of this process: one host CPU and `numGpus` logical GPUs. Throws PW_CLUSTER_SIZE. */
export function localCluster(options: TowerDevices): Cluster {
  return { jobs: [{ name: '', tasks: [{ index: 0, devices: towerTask(options) }] }], links: [] };
}

/**
 * A cluster of parameter servers, one CPU each, and workers with `numGpus` devices each; hosts are `host:port`.
 * Throws PW_CLUSTER_SIZE.
 */
export function distributedCluster(
  options: TowerDevices & { readonly psHosts: readonly string[]; readonly workerHosts: readonly string[] },
): Cluster {
  const { psHosts, workerHosts } = options;
  checkTasks(PS_JOB, psHosts);
  checkTasks(WORKER_JOB, workerHosts);
  const job = (name: string, hosts: readonly string[], devices: readonly ClusterDevice[]): ClusterJob => ({
    name,
    tasks: hosts.map((address, index) => ({ index, address, devices })),
  });
  return {
    jobs: [
      job(PS_JOB, psHosts, [{ type: 'CPU', index: 0 }]),
      job(WORKER_JOB, workerHosts, towerTask(options)),
    ],
    links: [],
  };
}

function checkTasks(job: string, hosts: readonly string[]): void {
  if (hosts.length >= 1 && hosts.length <= MAX_DEVICES) return;
  throw new PlacewrightError(
    'PW_CLUSTER_SIZE',
    `a cluster with ${hosts.length} ${job} tasks is not possible`,
    {
      hint: `give 1 to ${MAX_DEVICES} ${job} hosts`,
    },
  );
}

function towerTask({ numGpus, device = 'gpu' }: TowerDevices): readonly ClusterDevice[] {
  if (!Number.isInteger(numGpus) || numGpus < 1 || numGpus > MAX_DEVICES) {
    throw new PlacewrightError('PW_CLUSTER_SIZE', `${numGpus} devices are not possible`, {
      hint: `give a whole number from 1 to ${MAX_DEVICES}`,
    });
  }
  const towers = Array.from({ length: numGpus }, (_, index) => ({ type: device.toUpperCase(), index }));
  return device === 'cpu' ? towers : [{ type: 'CPU', index: 0 }, ...towers];
}

export function isLocal(cluster: Cluster): boolean {
  return cluster.jobs.length === 1 && cluster.jobs[0]?.name === '';
}

/** Full names of all devices, job by job and task by task. */
export function clusterDevices(cluster: Cluster): DeviceName[] {
  return cluster.jobs.flatMap(({ name, tasks }) =>
    tasks.flatMap(({ index }) => taskDevices(cluster, { job: name, index })),
  );
}

/** Full names of the devices of one task; none when there is no such task. `job` is `''` on a local cluster. */
export function taskDevices(cluster: Cluster, { job, index: task }: TaskName): DeviceName[] {
  const found = cluster.jobs.find(({ name }) => name === job)?.tasks.find(({ index }) => index === task);
  return (found?.devices ?? []).map(({ type, index }) =>
    formatDevice(job === '' ? { type, index } : { job, task, type, index }),
  );
}

/** A task as names of nodes begin with it: `worker_1`; empty for the one task of a local cluster. */
export function taskPrefix({ job, index }: TaskName): string {
  return job === '' ? '' : `${job}_${index}`;
}

/** A task as messages call it: `worker 1`. */
export function taskText({ job, index }: TaskName): string {
  return job === '' ? 'the task' : `${job} ${index}`;
}

/** The tasks of a job, in their order; none when there is no such job. */
export function jobTasks(cluster: Cluster, job: string): TaskName[] {
  const found = cluster.jobs.find(({ name }) => name === job);
  return (found?.tasks ?? []).map(({ index }) => ({ job, index }));
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
