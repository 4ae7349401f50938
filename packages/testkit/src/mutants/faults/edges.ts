import { edgeFault, type Fault } from '../fault.js';

/** Faults at the edges of placement, which the rules of placement show. */
export const EDGES: readonly Fault[] = [
  {
    name: 'small-by-one',
    summary: 'a variable of 65,536 elements is small, too',
    edits: [
      { file: 'balancers.js', find: 'elements < SMALL_ELEMENTS', replace: 'elements <= SMALL_ELEMENTS' },
    ],
    shownBy: 'rules',
  },
  {
    name: 'caches-not-counted',
    summary: 'all large variables are cached on the first tower',
    edits: [
      {
        file: 'balancers.js',
        find: '? { at: null, loads } : balance(loads, elements)',
        replace: '? { at: null, loads } : { at: leastLoaded(loads), loads }',
      },
    ],
    shownBy: 'rules',
  },
  edgeFault(
    'caches-by-host-alone',
    'with caches on the towers, large variables are kept on the host',
    'cache-reads',
    "caches === 'host' ? [host] : towerDevices(site)",
    '[host]',
  ),
  edgeFault(
    'all-types-alike',
    'the servers are balanced as if all elements took four bytes',
    'place-variables',
    'balance(before, variableBytes(variable))',
    'balance(before, 4 * variableElements(variable))',
  ),
  edgeFault(
    'own-server-not-counted',
    'a variable that asks for a server does not count',
    'place-variables',
    'before = loads;',
    "before = variable.device === '' ? loads : before;",
  ),
  edgeFault(
    'beside-the-host',
    'what asks for a worker is filled in from its host',
    'place-variables',
    'leastBytes(needServers(site), towers[0] ?? host)',
    'leastBytes(needServers(site), host)',
  ),
  edgeFault(
    'turns-not-taken',
    'all that stands outside of the towers goes to the first server',
    'place-variables',
    'turns += 1;',
    '',
  ),
  edgeFault('shadows-not-in-turn', 'all shadows go to one server', 'shadow-variables', 'turns += 1;', ''),
  edgeFault(
    'shadow-local',
    'shadows are in the collection of their variables, so that no chief initialises them',
    'shadow-variables',
    "collection: 'global',",
    '',
  ),
  edgeFault(
    'slot-takes-a-name',
    'a slot is called as a variable of the model is',
    'apply-gradients',
    'inSets(suffix).some((each) => taken.has(each))',
    'false',
  ),
  edgeFault(
    'asked-local-is-global',
    'only strategies make variables local, not their definitions',
    'scope-variables',
    "if (collection === 'local')\n            makeLocal(editor);",
    "if (collection === 'local')\n            makeLocal(editor);\n        else\n            for (const r of [...editor.resources.values()])\n                if (r.kind === 'variable')\n                    editor.updateResource(r.id, { collection: 'global' }, { reason: 'fault' });",
  ),
  edgeFault(
    'nobody-initialises-what-is-local',
    'workers but the chief initialise nothing at all',
    'initialise-once',
    "variable.kind === 'variable' && variable.collection === 'global'",
    "variable.kind === 'variable'",
  ),
  {
    name: 'barriers-from-the-first',
    summary: 'the first barrier is on the first server',
    edits: [{ file: 'barriers.js', find: '(made + 1) % servers.length', replace: 'made % servers.length' }],
    shownBy: 'rules',
  },
  edgeFault(
    'queues-collide',
    'from 11 workers on two barriers can share a queue',
    'expand-barriers',
    'if (new Set([...all, ...others]).size === all.length + others.length)',
    'if (true)',
  ),
  edgeFault(
    'queues-renamed',
    'queues have a separator in their names where none is needed',
    'expand-barriers',
    "for (let separator = '';",
    "for (let separator = '_';",
  ),
  edgeFault(
    'queue-of-one',
    'a queue has no room for the tokens of all',
    'expand-barriers',
    'capacity: parties,',
    'capacity: 1,',
  ),
  edgeFault(
    'staged-from-the-tower',
    'with one copy on the host, the copy is on tower 0',
    'stage-variables',
    "device: this.#host, phase: 'staging'",
    "device: this.#towers[0] ?? '', phase: 'staging'",
  ),
];
