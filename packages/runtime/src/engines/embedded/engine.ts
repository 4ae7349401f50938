import type { Engine } from '../../engine.js';
import { probeEmbedded } from './probe.js';
import { loadSession, MAX_WORKERS } from './session.js';
import { opSupport } from './support.js';

/** ONNX Runtime in this process: one thread a device, whose regions it runs in one call each. */
export const embeddedEngine: Engine = {
  name: 'embedded',
  summary: 'ONNX Runtime, one thread for each device; the default',
  maxDevices: MAX_WORKERS,
  probe: probeEmbedded,
  ops: opSupport,
  load: (module, options) => loadSession(module, options),
};
