import { parentPort, workerData } from 'node:worker_threads';
import { serveDevice } from './device.js';
import type { ToWorker, WorkerSetup } from './protocol.js';

// The file that a device's thread runs. The ports in its setup come with it.
if (parentPort !== null) {
  const port = parentPort;
  serveDevice(workerData as WorkerSetup, {
    post: (message, moved = []) => port.postMessage(message, moved as ArrayBuffer[]),
    onMessage: (handler) => {
      port.on('message', (message: ToWorker) => handler(message));
    },
    close: () => port.close(),
  });
}
