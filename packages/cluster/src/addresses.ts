import { readFile } from 'node:fs/promises';
import { MAX_DEVICES, PlacewrightError, PS_JOB, type TaskName, taskText, WORKER_JOB } from '@placewright/ir';

/** Where the servers of a cluster stand: `host:port` of each task, by job and index. */
export interface ClusterAddresses {
  readonly ps: readonly string[];
  readonly workers: readonly string[];
  /** Devices of each worker besides its host CPU, where known. */
  readonly devices?: number;
}

export interface TaskAddress {
  readonly task: TaskName;
  /** `host:port`. */
  readonly address: string;
}

/** The tasks, parameter servers first. */
export function clusterTasks({ ps, workers }: ClusterAddresses): TaskAddress[] {
  const of = (job: string, addresses: readonly string[]) =>
    addresses.map((address, index) => ({ task: { job, index }, address }));
  return [...of(PS_JOB, ps), ...of(WORKER_JOB, workers)];
}

/** `worker 1 (127.0.0.1:2222)`. */
export function describeTask({ task, address }: TaskAddress): string {
  return `${taskText(task)} (${address})`;
}

const ADDRESS = /^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))?:(\d{1,5})$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const FORMS =
  'a cluster file is {"ps": ["host:port"], "workers": ["host:port"]}, or has the form of TF_CONFIG';

/** The host of an address, or undefined where the text is none. */
function hostOf(address: string): string | undefined {
  const match = ADDRESS.exec(address);
  const port = Number(match?.[2]);
  return port >= 1 && port <= 65_535 ? match?.[1] : undefined;
}

/** Whether an address is one of this machine's own, which no other can reach. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.test(hostOf(address) ?? '');
}

/** What it means to run servers where others can reach them. */
export function networkWarning(addresses: readonly string[]): string {
  const open = addresses.filter((address) => !isLoopback(address));
  return `TensorFlow's servers have no authentication and no encryption, and run any graph that they are sent: whoever can reach ${open.join(', ')} can read and write files and run programs there. Let none but trusted machines into that network.`;
}

/** Throws PW_CLUSTER_NETWORK where an address can be reached from outside, unless that was allowed. */
export function checkNetwork(addresses: readonly string[], allowNetwork: boolean): void {
  const open = addresses.find((address) => !isLoopback(address));
  if (allowNetwork || open === undefined) return;
  throw new PlacewrightError('PW_CLUSTER_NETWORK', `${open} is not an address of this machine alone`, {
    hint: `TensorFlow's servers take any graph from anyone, unencrypted; in a network that you trust, say --allow-network (\`allowNetwork: true\`)`,
  });
}

/** Checks addresses that came from outside. Throws PW_CLUSTER_HOSTS, PW_CLUSTER_SIZE. */
export function checkAddresses(cluster: ClusterAddresses): ClusterAddresses {
  const { ps, workers, devices } = cluster;
  if (workers.length === 0) throw badFile('no workers are named');
  const all = [...ps, ...workers];
  if (all.length > MAX_DEVICES || (devices !== undefined && !isCount(devices))) {
    throw new PlacewrightError('PW_CLUSTER_SIZE', 'the cluster has too many tasks, or no possible devices', {
      hint: `at most ${MAX_DEVICES} tasks, and 1 to ${MAX_DEVICES} devices of each worker`,
    });
  }
  const wrong = all.find((address) => hostOf(address) === undefined);
  if (wrong !== undefined) {
    throw badHosts(`${JSON.stringify(wrong.slice(0, 80))} is not host:port`, 'like 127.0.0.1:2222');
  }
  const twice = all.find((address, i) => all.indexOf(address) !== i);
  if (twice !== undefined) throw badHosts(`${twice} stands for two tasks`, 'give each task its own port');
  return cluster;
}

const isCount = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= MAX_DEVICES;

function badHosts(message: string, hint: string): PlacewrightError {
  return new PlacewrightError('PW_CLUSTER_HOSTS', message, { hint });
}

function badFile(fault: string, file?: string, cause?: unknown): PlacewrightError {
  return new PlacewrightError('PW_CLUSTER_FILE', `the cluster cannot be read: ${fault}`, {
    hint: FORMS,
    ...(file === undefined ? {} : { where: { file } }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A cluster as a file names it, and the task that a `TF_CONFIG` says its reader is. */
export interface NamedCluster {
  readonly addresses: ClusterAddresses;
  readonly task?: TaskName;
}

/** Reads a cluster's file. Throws PW_CLUSTER_FILE, PW_CLUSTER_HOSTS, PW_CLUSTER_SIZE. */
export async function readClusterFile(file: string): Promise<NamedCluster> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw badFile(cause instanceof Error ? cause.message : String(cause), file, cause);
  }
  return parseCluster(text, file);
}

/** A cluster from JSON in our own form or that of `TF_CONFIG`. Throws PW_CLUSTER_FILE, PW_CLUSTER_HOSTS, PW_CLUSTER_SIZE. */
export function parseCluster(text: string, file?: string): NamedCluster {
  try {
    const json = parseJson(text);
    const named = json.has('cluster') ? fromTfConfig(json) : fromOwnForm(json);
    checkAddresses(named.addresses);
    return named;
  } catch (error) {
    throw error instanceof PlacewrightError && file !== undefined ? error.at({ file }) : error;
  }
}

type Json = ReadonlyMap<string, unknown>;

function parseJson(text: string): Json {
  try {
    return objectOf(JSON.parse(text), 'it');
  } catch (cause) {
    if (cause instanceof PlacewrightError) throw cause;
    throw badFile('it is not JSON', undefined, cause);
  }
}

function objectOf(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badFile(`${what} is not an object`);
  }
  return new Map(Object.entries(value));
}

function addressesOf(json: Json, key: string): readonly string[] {
  const list = json.get(key) ?? [];
  if (Array.isArray(list) && list.every((each) => typeof each === 'string')) return list;
  throw badFile(`"${key}" is not a list of texts`);
}

function refuseOthers(json: Json, known: readonly string[], hint: string): void {
  const other = [...json.keys()].find((key) => !known.includes(key));
  if (other !== undefined) throw badFile(`it has ${JSON.stringify(other.slice(0, 80))}; ${hint}`);
}

function fromOwnForm(json: Json): NamedCluster {
  refuseOthers(json, ['ps', 'workers', 'devices'], 'it may have "ps", "workers" and "devices"');
  const devices = json.get('devices');
  if (devices !== undefined && typeof devices !== 'number') throw badFile('"devices" is not a number');
  const addresses = { ps: addressesOf(json, 'ps'), workers: addressesOf(json, 'workers') };
  return { addresses: devices === undefined ? addresses : { ...addresses, devices } };
}

/** `{"cluster": {"ps": [...], "worker": [...]}, "task": {"type": "worker", "index": 0}}`. */
function fromTfConfig(json: Json): NamedCluster {
  const cluster = objectOf(json.get('cluster'), '"cluster"');
  // Evaluators stand beside a cluster and belong to none.
  refuseOthers(cluster, [PS_JOB, WORKER_JOB, 'evaluator'], `jobs are ${PS_JOB} and ${WORKER_JOB}`);
  const addresses = { ps: addressesOf(cluster, PS_JOB), workers: addressesOf(cluster, WORKER_JOB) };
  if (!json.has('task')) return { addresses };
  const task = objectOf(json.get('task'), '"task"');
  const [job, index] = [task.get('type'), task.get('index')];
  const tasks = job === PS_JOB ? addresses.ps : job === WORKER_JOB ? addresses.workers : [];
  if (typeof job !== 'string' || typeof index !== 'number' || tasks[index] === undefined) {
    throw badFile('"task" names none of its tasks');
  }
  return { addresses, task: { job, index } };
}

/** The cluster that the variable `TF_CONFIG` names; undefined where it is not set. Throws as `parseCluster` does. */
export function clusterFromEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
): NamedCluster | undefined {
  const text = env.TF_CONFIG;
  return text === undefined || text === '' ? undefined : parseCluster(text, 'TF_CONFIG');
}

/** A cluster as `readClusterFile` reads it. */
export function formatCluster({ ps, workers, devices }: ClusterAddresses): string {
  return `${JSON.stringify({ ps, workers, ...(devices === undefined ? {} : { devices }) }, null, 2)}\n`;
}
