import { type Fault, fault } from '../fault.js';

/** Faults of shadows, and of what workers do for each other. */
export const WORKERS: readonly Fault[] = [
  fault(
    'shadows-from-the-first-server',
    'shadows do not go on after global_step',
    'shadow-variables',
    'let turns = turnsTaken(module.decisions);',
    'let turns = 0;',
  ),
  fault(
    'shadow-unsaved',
    'a checkpoint holds the towers and not the shadows',
    'shadow-variables',
    "savedAs: saved === 'shadows' ? source.savedAs :",
    "savedAs: saved === 'shadows' ? null :",
  ),
  fault(
    'copied-before-the-update',
    'the towers take what the shadows were before the update',
    'copy-shadows',
    'after: [update],',
    'after: [],',
  ),
  fault(
    'copied-to-tower-0',
    'the other towers go on with what they have',
    'copy-shadows',
    'return targets.map((target)',
    'return targets.slice(0, 1).map((target)',
  ),
  fault(
    'step-end-waits-for-nothing',
    'a worker says that it has ended its step before it has',
    'await-workers',
    "const after = at === 'step' ? endOfStep(editor) : [];",
    'const after = [];',
  ),
  fault(
    'initialised-by-all',
    'every worker initialises the shared variables, whatever they hold',
    'initialise-once',
    'init === undefined || workerIndex(site) === 0',
    'true',
  ),
  fault(
    'no-gate',
    "updates do not wait for the other workers' reads",
    'gate-updates',
    'reads.length === 0 || writes.length === 0',
    'true',
  ),
  fault(
    'no-gate-at-the-start',
    'a worker trains while others copy what they start from',
    'gate-updates',
    'if (!remote)',
    'if (true)',
  ),
  fault(
    'one-token-less',
    'a worker goes on when all others but one have come',
    'expand-barriers',
    'n: queues.length - 1',
    'n: Math.max(0, queues.length - 2)',
  ),
];
