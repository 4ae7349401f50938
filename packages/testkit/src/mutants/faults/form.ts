import { type Fault, fault } from '../fault.js';

/** Faults of what passes are, and of what is said about them. */
export const FORM: readonly Fault[] = [
  fault(
    'nothing-removed',
    'what no entry runs is left in the module',
    'simplify',
    'if (!live.has(id))',
    'if (false)',
  ),
  fault(
    'inference-removed',
    'what only inference needs is removed',
    'simplify',
    'Object.values(module.entries)',
    "Object.values(module.entries).filter(({ name }) => name !== 'eval')",
  ),
  {
    name: 'never-the-same',
    summary: 'a pass gives other names each time',
    edits: [
      {
        file: 'staging.js',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the pass
        find: 'name: `tower_${replica}/${name}`,',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of the pass
        replace: 'name: `tower_${replica}/${name}/${(globalThis.times = (globalThis.times ?? 0) + 1)}`,',
      },
    ],
  },
  {
    name: 'ring-too-long',
    summary: 'the summary counts one copy too many of an all-reduce',
    edits: [
      {
        file: 'analyses/placement.js',
        find: '* (n - 1)) / n;',
        replace: '* n) / n;',
      },
    ],
  },
];
