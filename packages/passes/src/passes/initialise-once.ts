import { edit, type NodeId } from '@placewright/ir';
import { isOfTask, workerIndex } from '../devices.js';
import { definePass } from '../pass.js';

const PASS = 'initialise-once';

/**
 * Leaves the first values of what all tasks share to the first worker, the chief: the entry `init` of the others sets
 * what is local to their task, and what runs them waits for the chief's. Shared are global variables, and whatever lives
 * on another task: a variable whose definition calls it local is one for all workers where it is on a parameter server,
 * and the original's workers, which each initialise it, set back what others have trained.
 */
export const initialiseOnce = definePass<Record<never, never>>({
  name: PASS,
  summary: 'leaves the initialisation of shared variables to the first worker',
  options: {},
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const { init } = module.entries;
      if (init === undefined || workerIndex(site) === 0) return;
      const isShared = (id: NodeId): boolean =>
        editor.node(id).resources.some((resource) => {
          const variable = editor.resource(resource);
          if (variable.kind !== 'variable') return false;
          return variable.collection === 'global' || !isOfTask(variable.device, site);
        });
      const [first = [], ...rest] = init.rounds.map((round) => round.filter((id) => !isShared(id)));
      const rounds = [first, ...rest.filter((round) => round.length > 0)];
      editor.setEntry({ ...init, rounds }, { reason: 'the first worker initialises shared variables' });
    }),
});
