import { edit, type GraphEditor, type NodeId } from '@placewright/ir';
import { addBarrierInTurn } from '../barriers.js';
import { workerTasks } from '../devices.js';
import { addToStep } from '../entries.js';
import { definePass } from '../pass.js';

const PASS = 'await-workers';

/**
 * Lets the workers of a cluster wait for each other. `step`: no worker begins its next step before all have ended this
 * one. `barrier`: never within a step; the entry `barrier` waits for the others before and after training.
 */
export const awaitWorkers = definePass<{ at: 'step' | 'barrier' }>({
  name: PASS,
  summary: 'lets the workers wait for each other at the end of each step, or in an entry of its own',
  options: { at: { summary: 'where workers wait', default: 'step', oneOf: ['step', 'barrier'] } },
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, { at }, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      if (workerTasks(site).length === 0) return;
      const why = { reason: at === 'step' ? 'all workers have ended this step' : 'all workers are here' };
      const name = at === 'step' ? 'sync_queues_step_end_' : 'execution_barrier_';
      const after = at === 'step' ? endOfStep(editor) : [];
      const barrier = addBarrierInTurn(editor, site, { name, after, phase: 'update' }, why);
      if (at === 'step') addToStep(editor, [barrier], why);
      else editor.setEntry({ name: 'barrier', feeds: [], fetches: [], rounds: [[barrier]] }, why);
    }),
});

/** All that a step has to have run. */
function endOfStep({ entries: { step } }: GraphEditor): NodeId[] {
  if (step === undefined) return [];
  return [...step.rounds.flat(), ...step.fetches.map(({ tensor }) => tensor.node)];
}
