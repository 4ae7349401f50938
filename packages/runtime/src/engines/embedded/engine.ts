import type { Engine } from '../../engine.js';
import { MAX_WORKERS } from './core.js';
import { probeEmbedded } from './probe.js';
import { loadClusterSession, loadSession } from './session.js';
import { opSupport } from './support.js';

/** ONNX Runtime in this process: one thread a device, whose regions it runs in one call each. */
export const embeddedEngine: Engine = {
  name: 'embedded',
  summary: 'ONNX Runtime, one thread for each device; the default',
  maxDevices: MAX_WORKERS,
  probe: probeEmbedded,
  ops: opSupport,
  load: (module, options) => loadSession(module, options),
  loadCluster: (linked, options) => loadClusterSession(linked, options),
};
