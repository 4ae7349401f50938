import type { Fault } from './fault.js';
import { EDGES } from './faults/edges.js';
import { FORM } from './faults/form.js';
import { PLACEMENT } from './faults/placement.js';
import { TOWERS } from './faults/towers.js';
import { UPDATES } from './faults/updates.js';
import { WORKERS } from './faults/workers.js';

/** Every planted fault. */
export const FAULTS: readonly Fault[] = [...PLACEMENT, ...UPDATES, ...TOWERS, ...WORKERS, ...EDGES, ...FORM];
