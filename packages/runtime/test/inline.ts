import { MessageChannel } from 'node:worker_threads';
import type { LinkedModule, Module } from '@placewright/ir';
import type { ClusterSession, LoadOptions, Session } from '../src/engine.js';
import { serveDevice } from '../src/engines/embedded/device.js';
import type { FromWorker, ToWorker } from '../src/engines/embedded/protocol.js';
import { loadClusterSession, loadSession } from '../src/engines/embedded/session.js';
import type { Spawn } from '../src/engines/embedded/thread.js';

/** Serves a device in the test's own thread: quick to start, and run from the sources. */
const spawnInline: Spawn = (setup) => {
  const { port1, port2 } = new MessageChannel();
  const served = new Promise<void>((resolve) => {
    port2.once('close', resolve);
  });
  serveDevice(setup, {
    post: (message, moved = []) => port2.postMessage(message, moved as ArrayBuffer[]),
    onMessage: (handler) => {
      port2.on('message', (message: ToWorker) => handler(message));
    },
    close: () => port2.close(),
  });
  return {
    post: (message, moved) => port1.postMessage(message, moved as ArrayBuffer[]),
    onMessage: (handler) => {
      port1.on('message', (message: FromWorker) => handler(message));
    },
    onEnd: () => undefined,
    hold: () => undefined,
    end: () => {
      port1.postMessage({ kind: 'close' });
      return served;
    },
  };
};

/** The embedded engine with all its devices in this thread; `change` may alter how they are started. */
export function loadInline(
  module: Module,
  options: LoadOptions = {},
  change: (spawn: Spawn) => Spawn = (spawn) => spawn,
): Promise<Session> {
  return loadSession(module, { threadsPerDevice: 1, ...options }, change(spawnInline));
}

/** As `loadInline`, of a whole cluster. */
export function loadInlineCluster(linked: LinkedModule, options: LoadOptions = {}): Promise<ClusterSession> {
  return loadClusterSession(linked, { threadsPerDevice: 1, ...options }, spawnInline);
}
