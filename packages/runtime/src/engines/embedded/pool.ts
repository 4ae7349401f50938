import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type DeviceName, PlacewrightError, type TensorValue } from '@placewright/ir';
import {
  type FromWorker,
  type ResourceInfo,
  reviveError,
  type ToWorker,
  type WorkerSetup,
} from './protocol.js';
import type { DeviceThread, Spawn } from './thread.js';

/** What a session hears of runs; answers to calls are the pool's own. */
export type RunNews = Exclude<FromWorker, { kind: 'ready' | 'reply' | 'refusal' }>;

export interface PoolOptions {
  readonly devices: readonly DeviceName[];
  readonly resources: ReadonlyMap<DeviceName, readonly ResourceInfo[]>;
  readonly threads: number;
  readonly trace: boolean;
  readonly spawn: Spawn;
  readonly onNews: (device: DeviceName, news: RunNews) => void;
  /** A thread has ended by itself: nothing can run any more. */
  readonly onCrash: (error: PlacewrightError) => void;
}

/** The threads of a session's devices. */
export interface Pool {
  send(device: DeviceName, message: ToWorker, moved?: readonly ArrayBuffer[]): void;
  /**
   * Sends a call and gives its reply. Rejects with what the device refuses it for, and with PW_ENGINE_WORKER when a
   * thread ends, or has ended.
   */
  call(device: DeviceName, make: (call: number) => ToWorker): Promise<Reply>;
  /** Keeps the process alive, or lets it end although the threads are there. */
  hold(held: boolean): void;
  close(): Promise<void>;
}

export type Reply = readonly (TensorValue | null)[];

interface Call {
  readonly resolve: (values: Reply) => void;
  readonly reject: (error: PlacewrightError) => void;
}

interface PoolState {
  readonly options: PoolOptions;
  readonly threads: Map<DeviceName, DeviceThread>;
  readonly calls: Map<number, Call>;
  nextCall: number;
  closing: boolean;
  /** What the first thread to end ended with: from then on there is nobody to answer. */
  crashed: PlacewrightError | undefined;
}

/** Starts one thread for each device, each with a channel to every other. Throws PW_ENGINE_WORKER. */
export async function startPool(options: PoolOptions): Promise<Pool> {
  const state: PoolState = {
    options,
    threads: new Map(),
    calls: new Map(),
    nextCall: 0,
    closing: false,
    crashed: undefined,
  };
  const ports = channels(options.devices);
  try {
    await Promise.all(options.devices.map((device) => startDevice(state, device, ports.get(device) ?? [])));
  } catch (error) {
    await closePool(state);
    throw error;
  }
  return {
    send: (device, message, moved = []) => state.threads.get(device)?.post(message, moved),
    call: (device, make) => call(state, device, make),
    hold: (held) => {
      for (const thread of state.threads.values()) thread.hold(held);
    },
    close: () => closePool(state),
  };
}

function call(state: PoolState, device: DeviceName, make: (call: number) => ToWorker): Promise<Reply> {
  if (state.crashed !== undefined) return Promise.reject(state.crashed);
  return new Promise((resolve, reject) => {
    const id = state.nextCall++;
    state.calls.set(id, { resolve, reject });
    state.threads.get(device)?.post(make(id), []);
  });
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

/** Resolves when the device says that it is ready. */
function startDevice(state: PoolState, device: DeviceName, peers: WorkerSetup['peers']): Promise<void> {
  const { threads, trace, resources, spawn } = state.options;
  return new Promise((resolve, reject) => {
    const thread = spawn({ device, threads, trace, resources: resources.get(device) ?? [], peers });
    state.threads.set(device, thread);
    thread.onMessage((message) => {
      if (message.kind === 'ready') resolve();
      else receive(state, device, message);
    });
    thread.onEnd((cause) => {
      const error = crashError(device, cause);
      reject(error);
      crash(state, error);
    });
  });
}

function receive(
  state: PoolState,
  device: DeviceName,
  message: Exclude<FromWorker, { kind: 'ready' }>,
): void {
  if (message.kind !== 'reply' && message.kind !== 'refusal') {
    state.options.onNews(device, message);
    return;
  }
  const call = state.calls.get(message.call);
  state.calls.delete(message.call);
  if (message.kind === 'reply') call?.resolve(message.values);
  else call?.reject(reviveError(message.error));
}

function crash(state: PoolState, error: PlacewrightError): void {
  state.crashed ??= error;
  for (const call of state.calls.values()) call.reject(error);
  state.calls.clear();
  if (!state.closing) state.options.onCrash(error);
}

async function closePool(state: PoolState): Promise<void> {
  state.closing = true;
  await Promise.all([...state.threads.values()].map((thread) => thread.end()));
}

function crashError(device: DeviceName, cause: unknown): PlacewrightError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new PlacewrightError('PW_ENGINE_WORKER', `the thread of ${device} has ended: ${text}`, {
    kind: 'internal',
    hint: 'load the module again; if it was for want of memory, give less to one device',
    cause,
  });
}
