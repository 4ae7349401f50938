import type { EntryName } from '../graph.js';

/**
 * What a task runs once, in this order, before it takes steps. No task begins before the first one has run its `init`,
 * which gives the variables that all share their first values.
 */
export const BEFORE_STEPS = ['init', 'postInit', 'warmUp', 'barrier'] as const satisfies readonly EntryName[];
