import { builtinKernels } from '@placewright/interp';
import { builtinOps } from '@placewright/ir';
import type { Engine } from '../../engine.js';
import { loadReference, loadReferenceCluster } from './session.js';

export type { Kernel, KernelContext, Schedule } from '@placewright/interp';

const INTERPRETED = 'interpreted';

/** The interpreter, node by node in this thread: slow, and what every other engine is measured against. */
export const referenceEngine: Engine = {
  name: 'reference',
  summary: 'the plain interpreter, the oracle: any module, one thread, slow',
  probe: async () => ({ available: true, details: [{ name: 'interpreter', status: 'available' }] }),
  ops: () =>
    Object.keys(builtinOps).map((op) => ({
      op,
      how: op in builtinKernels ? INTERPRETED : 'interpreted: state',
    })),
  load: async (module, options = {}) => loadReference(module, options),
  loadCluster: async (linked, options = {}) => loadReferenceCluster(linked, options),
};
