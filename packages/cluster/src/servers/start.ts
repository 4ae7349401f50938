import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAX_DEVICES, PlacewrightError, PS_JOB, type TaskName, WORKER_JOB } from '@placewright/ir';
import {
  type ClusterAddresses,
  checkAddresses,
  checkNetwork,
  clusterTasks,
  describeTask,
  type TaskAddress,
} from '../addresses.js';
import { openMaster } from '../client/master.js';
import { taskDevice } from '../proto/config.js';
import { freePorts } from './ports.js';
import { launchServer, nameOf, type ServerProcess, type ServerSpec, serverError } from './process.js';
import { findTensorFlow, type PythonOptions } from './python.js';

export interface ServerOptions extends PythonOptions {
  /** Parameter servers; 0 is possible. */
  readonly ps: number;
  readonly workers: number;
  /** Devices of each worker that stand for GPUs: CPU devices beside its host's own, or with `gpus` real ones. */
  readonly devices: number;
  /**
   * Whether workers get GPUs of this machine: the first the first `devices` ones, the next the next ones. The Python must
   * have a TensorFlow that can use them.
   */
  readonly gpus?: boolean;
  /** The host that the servers are known by; 127.0.0.1 when left out. Any other needs `allowNetwork`. */
  readonly host?: string;
  /** The ports, parameter servers first; free ones are found when left out. */
  readonly ports?: readonly number[];
  /** Whether the servers may be reached from other machines; see `networkWarning`. */
  readonly allowNetwork?: boolean;
  /** Threads that one op may compute with; TensorFlow's own choice when left out. */
  readonly threads?: number;
  /** Folder of the logs; a temporary one, removed after a good end, when left out. */
  readonly logs?: string;
  /** Ends the start, with the signal's reason; nothing is left running. */
  readonly signal?: AbortSignal;
  /** After how long servers that do not answer are given up, in milliseconds; three minutes when left out. */
  readonly startTimeoutMs?: number;
}

/** A server that was started. */
export interface RunningServer extends TaskAddress {
  readonly pid: number;
  /** File with what TensorFlow writes. */
  readonly log: string;
}

/** Servers on this machine, until they are stopped or this process ends, however it does. */
export interface RunningServers {
  readonly addresses: ClusterAddresses;
  /** TensorFlow's version. */
  readonly version: string;
  /** Addresses at which other machines can reach them: none but with `allowNetwork`. */
  readonly open: readonly string[];
  /** As they are now: a server that was started anew has another process. */
  servers(): readonly RunningServer[];
  /** Resolves with the error of the first server that ends by itself. */
  readonly failed: Promise<PlacewrightError>;
  /** Sends a signal to a task's server; false where it has ended. */
  signal(task: TaskName, name: NodeJS.Signals): boolean;
  /** Ends a task's server, if it still runs, and starts another at the same address. Throws PW_CLUSTER_*. */
  restart(task: TaskName): Promise<RunningServer>;
  /** Ends them all; resolves when they have. May be called twice. */
  stop(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const START_MS = 180_000;
const POLL_MS = 100;
const PORT_ATTEMPTS = 3;

/**
 * Starts TensorFlow servers on this machine, and waits until each answers. Throws PW_CLUSTER_SIZE, PW_CLUSTER_NETWORK,
 * PW_CLUSTER_PYTHON, PW_CLUSTER_TENSORFLOW, PW_CLUSTER_INSTALL, PW_CLUSTER_PORT, PW_CLUSTER_SERVER, PW_CLUSTER_EXPOSED,
 * PW_CLUSTER_TIMEOUT; then none is left running.
 */
export async function startServers(options: ServerOptions): Promise<RunningServers> {
  checkServers(options);
  const python = await findTensorFlow(options);
  options.signal?.throwIfAborted();
  const logs = await logFolder(options.logs);
  for (let attempt = 1; ; attempt++) {
    const addresses = await chooseAddresses(options);
    try {
      return await startAt(addresses, { ...options, python, logs, keepLogs: options.logs !== undefined });
    } catch (error) {
      const taken = error instanceof PlacewrightError && error.code === 'PW_CLUSTER_PORT';
      if (!taken || options.ports !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

/** Checks what `startServers` is asked for, before anything is started. Throws PW_CLUSTER_SIZE, PW_CLUSTER_NETWORK. */
export function checkServers(options: ServerOptions): void {
  const { ps, workers, devices, ports, host = LOOPBACK, allowNetwork = false } = options;
  checkNetwork([`${host}:1`], allowNetwork);

  const inRange = (count: number, least: number): boolean =>
    Number.isInteger(count) && count >= least && count <= MAX_DEVICES;
  const right = inRange(ps, 0) && inRange(workers, 1) && inRange(devices, 1);
  if (right && (ports === undefined || ports.length === ps + workers)) return;
  throw new PlacewrightError(
    'PW_CLUSTER_SIZE',
    `a cluster of ${ps} parameter servers and ${workers} workers with ${devices} devices is not possible${right ? ` on ${ports?.length} ports` : ''}`,
    { hint: `give 1 to ${MAX_DEVICES} of each (parameter servers may be 0), and one port for each task` },
  );
}

async function logFolder(named: string | undefined): Promise<string> {
  if (named === undefined) return mkdtemp(join(tmpdir(), 'placewright-cluster-'));
  await mkdir(named, { recursive: true });
  return named;
}

async function chooseAddresses(options: ServerOptions): Promise<ClusterAddresses> {
  const { ps, workers, devices, host = LOOPBACK, allowNetwork = false } = options;
  const ports = options.ports ?? (await freePorts(ps + workers, allowNetwork ? '0.0.0.0' : host));
  const all = ports.map((port) => `${host}:${port}`);
  const addresses = checkAddresses({ ps: all.slice(0, ps), workers: all.slice(ps), devices });
  return addresses;
}

interface StartOptions extends ServerOptions {
  readonly python: string;
  readonly logs: string;
  readonly keepLogs: boolean;
}

async function startAt(addresses: ClusterAddresses, options: StartOptions): Promise<RunningServers> {
  const tasks = clusterTasks(addresses);
  const processes = tasks.map((who) => launch(who, addresses, options));
  try {
    const starts = await Promise.all(processes.map((server) => answering(server, options)));
    return running(addresses, processes, starts[0]?.version ?? '', options);
  } catch (error) {
    await Promise.all(processes.map(kill));
    throw error;
  }
}

async function kill(server: ServerProcess): Promise<void> {
  // Also the one end for a process that was stopped.
  server.signal('SIGKILL');
  await server.ended;
}

function launch(who: TaskAddress, addresses: ClusterAddresses, options: StartOptions): ServerProcess {
  const { job, index } = who.task;
  const { onProgress = () => {}, logs, python } = options;
  return launchServer({
    who,
    python,
    spec: specOf(who, addresses, options),
    log: join(logs, `${job}-${index}.log`),
    onImporting: () => onProgress(`${nameOf(who)}: importing TensorFlow`),
  });
}

function specOf(
  { task, address }: TaskAddress,
  addresses: ClusterAddresses,
  options: ServerOptions,
): ServerSpec {
  const { devices, gpus = false, threads = 0, allowNetwork = false } = options;
  const { ps, workers } = addresses;
  const works = task.job === WORKER_JOB;
  return {
    cluster: { ...(ps.length === 0 ? {} : { [PS_JOB]: ps }), [WORKER_JOB]: workers },
    job: task.job,
    task: task.index,
    port: portOf(address),
    cpus: works && !gpus ? devices + 1 : 1,
    gpus: works && gpus ? Array.from({ length: devices }, (_, i) => task.index * devices + i) : [],
    threads,
    leader: taskDevice({ job: WORKER_JOB, index: 0 }),
    loopback: !allowNetwork,
  };
}

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

/** Waits until a server answers a call. */
async function answering(server: ServerProcess, options: ServerOptions): Promise<{ version: string }> {
  const { startTimeoutMs = START_MS, onProgress = () => {}, allowNetwork = false } = options;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(tooLate(server, startTimeoutMs)), startTimeoutMs);
  const give = (): void => late.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', give, { once: true });
  const master = openMaster(server, { allowNetwork });
  try {
    const start = await Promise.race([server.started, rejection(late.signal)]);
    while (!late.signal.aborted) {
      if (await answers(master, late.signal)) break;
      await Promise.race([pause(POLL_MS), server.ended.then((how) => ended(server, how))]);
    }
    late.signal.throwIfAborted();
    onProgress(`${nameOf(server)}: answers at ${server.address} (process ${server.pid})`);
    return start;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', give);
    master.close();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function answers(master: ReturnType<typeof openMaster>, signal: AbortSignal): Promise<boolean> {
  try {
    await master.ownDevices({ timeoutMs: 5000, signal });
    return true;
  } catch {
    return false;
  }
}

function ended(server: ServerProcess, how: string): never {
  throw serverError(`the server of ${describeTask(server)} ended with ${how}`, server.log);
}

function tooLate(server: ServerProcess, ms: number): PlacewrightError {
  return new PlacewrightError(
    'PW_CLUSTER_TIMEOUT',
    `the server of ${describeTask(server)} does not answer after ${ms / 1000} s`,
    { hint: `its log is ${server.log}; a busy machine needs more time (\`startTimeoutMs\`)` },
  );
}

function running(
  addresses: ClusterAddresses,
  processes: ServerProcess[],
  version: string,
  options: StartOptions,
): RunningServers {
  let stopping: Promise<void> | undefined;
  const expected = new WeakSet<ServerProcess>();
  let fail: (error: PlacewrightError) => void = () => {};
  const failed = new Promise<PlacewrightError>((resolve) => {
    fail = resolve;
  });
  const heed = (server: ServerProcess): void => {
    void server.ended.then((how) => {
      const fault = `the server of ${describeTask(server)} ended with ${how}`;
      if (stopping === undefined && !expected.has(server)) fail(serverError(fault, server.log));
    });
  };
  for (const server of processes) heed(server);
  return {
    addresses,
    version,
    // TensorFlow listens on all interfaces, whatever the address says.
    open: options.allowNetwork ? processes.map(({ address }) => `port ${portOf(address)}`) : [],
    servers: () => processes.map(({ task, address, pid, log }) => ({ task, address, pid, log })),
    failed,
    signal: (task, name) => processes[indexOf(processes, task)]?.signal(name) ?? false,
    async restart(task) {
      const index = indexOf(processes, task);
      const old = processes[index] as ServerProcess;
      expected.add(old);
      await kill(old);
      const next = launch(old, addresses, options);
      processes[index] = next;
      await answering(next, options);
      heed(next);
      const { address, pid, log } = next;
      return { task, address, pid, log };
    },
    stop() {
      stopping ??= stopAll(processes, options);
      return stopping;
    },
  };
}

function indexOf(processes: readonly ServerProcess[], { job, index }: TaskName): number {
  const found = processes.findIndex(({ task }) => task.job === job && task.index === index);
  if (found >= 0) return found;
  throw new PlacewrightError('PW_CLUSTER_TASK', `there is no ${job} ${index} among the servers`, {
    hint: `there are ${processes.map(nameOf).join(', ')}`,
  });
}

async function stopAll(processes: readonly ServerProcess[], { logs, keepLogs }: StartOptions): Promise<void> {
  await Promise.all(processes.map(kill));
  if (!keepLogs) await rm(logs, { recursive: true, force: true });
}
