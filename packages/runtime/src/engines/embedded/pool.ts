import { MessageChannel, type MessagePort, type TransferListItem, Worker } from 'node:worker_threads';
import { type DeviceName, PlacewrightError, type TensorValue } from '@placewright/ir';
import {
  type FromWorker,
  type ResourceInfo,
  reviveError,
  type ToWorker,
  type WorkerSetup,
} from './protocol.js';
import { workerUrl } from './worker-url.js';

/** What a session hears of runs; answers to calls are the pool's own. */
export type RunNews = Exclude<FromWorker, { kind: 'ready' | 'reply' | 'refusal' }>;

export interface PoolOptions {
  readonly devices: readonly DeviceName[];
  readonly resources: ReadonlyMap<DeviceName, readonly ResourceInfo[]>;
  readonly threads: number;
  readonly trace: boolean;
  readonly onNews: (device: DeviceName, news: RunNews) => void;
  /** A worker has ended by itself: nothing can run any more. */
  readonly onCrash: (error: PlacewrightError) => void;
}

/** The threads of a session's devices. */
export interface Pool {
  send(device: DeviceName, message: ToWorker, moved?: readonly ArrayBuffer[]): void;
  /** Sends a call and gives its reply. Rejects with what the worker refuses it for, or when it ends. */
  call(device: DeviceName, make: (call: number) => ToWorker): Promise<readonly (TensorValue | null)[]>;
  /** Keeps the process alive, or lets it end although the threads are there. */
  hold(held: boolean): void;
  /** Ends all threads; those that do not end by themselves in time are stopped. */
  close(): Promise<void>;
}

interface Call {
  readonly device: DeviceName;
  readonly resolve: (values: readonly (TensorValue | null)[]) => void;
  readonly reject: (error: PlacewrightError) => void;
}

const CLOSE_MS = 2000;

/** Starts one thread for each device, each with a channel to every other. Throws PW_ENGINE_WORKER. */
export async function startPool(options: PoolOptions): Promise<Pool> {
  const url = workerUrl();
  const ports = channels(options.devices);
  const workers = new Map<DeviceName, Worker>();
  const calls = new Map<number, Call>();
  let nextCall = 0;
  let closing = false;

  const crash = (device: DeviceName, cause: unknown): void => {
    if (closing) return;
    closing = true;
    const error = crashError(device, cause);
    for (const call of calls.values()) call.reject(error);
    calls.clear();
    options.onCrash(error);
  };
  const receive = (device: DeviceName, message: FromWorker, ready: () => void): void => {
    if (message.kind === 'ready') ready();
    else if (message.kind === 'reply' || message.kind === 'refusal') {
      const call = calls.get(message.call);
      calls.delete(message.call);
      if (message.kind === 'reply') call?.resolve(message.values);
      else call?.reject(reviveError(message.error));
    } else options.onNews(device, message);
  };
  const start = (device: DeviceName): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = startWorker(url, setupOf(options, device, ports.get(device) ?? []));
      workers.set(device, worker);
      worker.on('message', (message: FromWorker) => receive(device, message, resolve));
      worker.once('error', (error) => {
        reject(crashError(device, error));
        crash(device, error);
      });
      worker.once('exit', (code) => {
        reject(crashError(device, `it ended with code ${code}`));
        crash(device, `it ended with code ${code}`);
      });
    });
  const close = async (): Promise<void> => {
    closing = true;
    await Promise.all([...workers.values()].map(endWorker));
  };

  try {
    await Promise.all(options.devices.map(start));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    send: (device, message, moved = []) =>
      workers.get(device)?.postMessage(message, moved as TransferListItem[]),
    call: (device, make) =>
      new Promise((resolve, reject) => {
        const call = nextCall++;
        calls.set(call, { device, resolve, reject });
        workers.get(device)?.postMessage(make(call));
      }),
    hold: (held) => {
      for (const worker of workers.values()) held ? worker.ref() : worker.unref();
    },
    close,
  };
}

/** For each device the ports to all others. */
function channels(devices: readonly DeviceName[]): Map<DeviceName, [DeviceName, MessagePort][]> {
  const ports = new Map<DeviceName, [DeviceName, MessagePort][]>(devices.map((device) => [device, []]));
  devices.forEach((a, i) => {
    for (const b of devices.slice(i + 1)) {
      const { port1, port2 } = new MessageChannel();
      ports.get(a)?.push([b, port1]);
      ports.get(b)?.push([a, port2]);
    }
  });
  return ports;
}

function setupOf(options: PoolOptions, device: DeviceName, peers: WorkerSetup['peers']): WorkerSetup {
  const { threads, trace, resources } = options;
  return { device, threads, trace, resources: resources.get(device) ?? [], peers };
}

function startWorker(url: URL, setup: WorkerSetup): Worker {
  return new Worker(url, {
    name: setup.device,
    workerData: setup,
    transferList: setup.peers.map(([, port]) => port),
    // What loads this thread's sources, such as a test runner's hooks, is nothing to the worker's.
    execArgv: [],
  });
}

function crashError(device: DeviceName, cause: unknown): PlacewrightError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new PlacewrightError('PW_ENGINE_WORKER', `the thread of ${device} has ended: ${text}`, {
    kind: 'internal',
    hint: 'load the module again; if it was memory, give less to one device',
    cause,
  });
}

async function endWorker(worker: Worker): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
    if (worker.threadId < 0) resolve();
  });
  const message: ToWorker = { kind: 'close' };
  worker.postMessage(message);
  const timer = setTimeout(() => void worker.terminate(), CLOSE_MS);
  await ended;
  clearTimeout(timer);
}
