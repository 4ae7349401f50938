import { edit, type NodeId } from '@placewright/ir';
import { workerIndex } from '../devices.js';
import { definePass } from '../pass.js';

const PASS = 'initialise-once';

/**
 * Leaves the first values of global variables, which all tasks share, to the first worker, the chief: the entry `init` of
 * the others sets what is local to their task, and what runs them waits for the chief's.
 */
export const initialiseOnce = definePass<Record<never, never>>({
  name: PASS,
  summary: 'leaves the initialisation of global variables to the first worker',
  options: {},
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const { init } = module.entries;
      if (init === undefined || workerIndex(site) === 0) return;
      const isGlobal = (id: NodeId): boolean =>
        editor.node(id).resources.some((resource) => {
          const variable = editor.resource(resource);
          return variable.kind === 'variable' && variable.collection === 'global';
        });
      const [first = [], ...rest] = init.rounds.map((round) => round.filter((id) => !isGlobal(id)));
      const rounds = [first, ...rest.filter((round) => round.length > 0)];
      editor.setEntry({ ...init, rounds }, { reason: 'the first worker initialises global variables' });
    }),
});
