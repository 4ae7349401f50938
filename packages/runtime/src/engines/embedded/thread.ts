import { type TransferListItem, Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerSetup } from './protocol.js';
import { workerUrl } from './worker-url.js';

/** Where one device is served: a thread of its own. */
export interface DeviceThread {
  post(message: ToWorker, moved: readonly ArrayBuffer[]): void;
  onMessage(handler: (message: FromWorker) => void): void;
  /** Called once, when it ends for whatever reason. */
  onEnd(handler: (cause: unknown) => void): void;
  /** Keeps the process alive, or lets it end although the thread is there. */
  hold(held: boolean): void;
  /** Asks it to end, and waits until it has: after the call that is running. */
  end(): Promise<void>;
}

/** Starts a device. */
export type Spawn = (setup: WorkerSetup) => DeviceThread;

/** Starts a device on a thread of its own. Throws PW_ENGINE_WORKER when its program is not built. */
export function spawnThread(setup: WorkerSetup): DeviceThread {
  const worker = new Worker(workerUrl(), {
    name: setup.device,
    workerData: setup,
    transferList: setup.peers.map(([, port]) => port),
    // What loads this thread's sources, such as a test runner's hooks, is nothing to the worker's.
    execArgv: [],
  });
  return {
    post: (message, moved) => worker.postMessage(message, moved as TransferListItem[]),
    onMessage: (handler) => {
      worker.on('message', handler);
    },
    onEnd: (handler) => {
      worker.once('error', handler);
      worker.once('exit', (code) => handler(`it ended with code ${code}`));
    },
    hold: (held) => {
      if (held) worker.ref();
      else worker.unref();
    },
    end: () => endWorker(worker),
  };
}

/**
 * A worker is never terminated: ONNX Runtime's binding aborts the whole process when its thread is taken away during a
 * call. So the process is kept alive until the call is done.
 */
async function endWorker(worker: Worker): Promise<void> {
  if (worker.threadId < 0) return;
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  worker.ref();
  const message: ToWorker = { kind: 'close' };
  worker.postMessage(message);
  await ended;
}
