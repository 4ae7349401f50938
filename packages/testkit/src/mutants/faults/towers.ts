import { type Fault, fault } from '../fault.js';

/** Faults of towers, variables, staging and order. */
export const TOWERS: readonly Fault[] = [
  fault(
    'rows-swapped',
    "the towers take one another's rows",
    'replicate-towers',
    'Array.from({ length: n }, (_, port) => ({ node, port }))',
    'Array.from({ length: n }, (_, port) => ({ node, port: n - 1 - port }))',
  ),
  fault(
    'loss-summed',
    'the losses of the towers are added and not averaged',
    'replicate-towers',
    'scalar(dtype, 1 / parts.length)',
    'scalar(dtype, 1)',
  ),
  fault(
    'counts-averaged',
    'counts are averaged and not added',
    'replicate-towers',
    "name.endsWith('Count') ||",
    '',
  ),
  fault(
    'all-averages-move',
    "every tower's moving averages are updated",
    'replicate-towers',
    "this.#editor.setEntry({ ...step, fetches }, { reason: 'fetches the towers together' });",
    'const all = (id) => this.#towers.map((_, tower) => this.#node(id, tower)); this.#editor.setEntry({ ...step, fetches, rounds: step.rounds.map((round) => [...new Set(round.flatMap(all))]) });',
  ),
  fault(
    'counted-per-tower',
    'global_step belongs to the towers',
    'replicate-towers',
    '.filter((id) => !shared.has(id))',
    '',
  ),
  fault(
    'same-start',
    'all towers draw the same initial values',
    'scope-variables',
    "['seed2', { kind: 'int', value: replica }]",
    "['seed2', { kind: 'int', value: 0 }]",
  ),
  fault(
    'all-saved',
    "every tower's variables are saved",
    'scope-variables',
    "saved === 'all' || tower === 0 ?",
    'true ?',
  ),
  fault(
    'slots-not-copied',
    'optimizer slots are not copied after initialisation',
    'post-init',
    "r.kind === 'variable' && r.replica !== null",
    "r.kind === 'variable' && r.replica !== null && r.slotOf === null",
  ),
  fault(
    'statistics-not-copied',
    'moving statistics are not copied after initialisation',
    'post-init',
    "r.kind === 'variable' && r.replica !== null",
    "r.kind === 'variable' && r.replica !== null && (r.trainable || r.slotOf !== null)",
  ),
  {
    name: 'variables-not-staged',
    summary: 'gradients are staged, and variables are not',
    edits: [
      {
        file: 'strategies/pipeline.js',
        find: "...(choices.reading === 'staging' ? [callPass(stageVariables, { copy: choices.stagedCopy })] : []),",
        replace: '',
      },
    ],
  },
  {
    name: 'gradients-not-staged',
    summary: 'variables are staged, and gradients are not',
    edits: [
      {
        file: 'strategies/pipeline.js',
        find: "...(choices.gradients === 'staging' ? [callPass(stageGradients)] : []),",
        replace: '',
      },
    ],
  },
  fault(
    'gradients-staged-on-tower-0',
    'staging areas of gradients are all on tower 0',
    'stage-gradients',
    "device: towers[replica] ?? ''",
    "device: towers[0] ?? ''",
  ),
  fault(
    'averages-not-staged',
    'moving averages take the change of this step, and gradients that of the step before',
    'stage-variables',
    "rolesOf(module, 'update').flatMap((role) => stageDelta(editor, role, towers))",
    '[]',
  ),
  {
    name: 'warm-up-in-one-tier',
    summary: 'the second round of the warm-up does not stage variables again',
    edits: [
      {
        file: 'warm-up.js',
        find: 'filled.set(got, (filled.get(got) ?? 0) | bits);',
        replace: ';',
      },
    ],
  },
  {
    name: 'order-dropped',
    summary: 'nothing orders reads before writes, and nobody says that it does',
    edits: [
      {
        file: 'passes/synchronise.js',
        find: 'editor.addControl(after.node, before.node, { reason: REASONS[after.effect], from: [before.node] });',
        replace: '',
      },
      {
        file: 'passes/synchronise.js',
        find: "establishes: ['no-race', 'no-race-across-tasks', 'staging-filled', 'no-choice', 'no-hang'],",
        replace: 'establishes: [],',
      },
      { file: 'passes/gate-updates.js', find: "['resource-colocated', 'no-race']", replace: '[]' },
    ],
  },
];
