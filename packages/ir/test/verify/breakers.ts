import type { Entry, Module, NodeId } from '../../src/graph.js';
import { broken, edited, GPU1, resourceIn, towerNode, withResource } from '../support/broken.js';
import { lowered } from '../support/lowered.js';
import { addConst, build, out, why } from '../support/modules.js';

function withStep(change: Partial<Entry>): Module {
  const module = lowered();
  const step = { ...(module.entries.step as Entry), ...change };
  return { ...module, entries: { ...module.entries, step } };
}

function cycle(): Module {
  return build((editor) => {
    const [a, b] = ['a', 'b'].map((name) => editor.addNode({ op: 'NoOp', name }, why)) as [NodeId, NodeId];
    editor.addControl(a, b, why);
    editor.addControl(b, a, why);
  });
}

function sharedName(): Module {
  const alone = ['shared_name', { kind: 'string', value: 'alone' }] as const;
  return broken('c1', ({ attrs }) => ({ attrs: new Map([...attrs, alone]) }));
}

/** By the name of an invariant, a module that breaks it. A new invariant needs a line here. */
export const BREAKERS: ReadonlyMap<string, () => Module> = new Map([
  ['edges-exist', () => broken('gradient', () => ({ inputs: [out('n999'), out('n0', 3)] }))],
  ['acyclic', cycle],
  ['unique-names', () => broken('copy', () => ({ name: 'get' }))],
  ['types-match', () => broken('rate', () => ({ outputs: [{ dtype: 'float32', shape: [null] }] }))],
  ['legal-devices', () => broken('rate', () => ({ device: '/device:GPU:2' }))],
  [
    'resources-well-formed',
    () => withResource(lowered(), resourceIn(towerNode(lowered(), 'stage')), { capacity: 0 }),
  ],
  ['entries-well-formed', () => withStep({ feeds: [] })],
  [
    'every-node-placed',
    () =>
      edited((editor) => {
        addConst(editor, 'lost');
      }),
  ],
  ['resource-colocated', () => broken('init', () => ({ device: GPU1 }))],
  ['colocation', () => broken('rate', () => ({ colocation: 'group1' }))],
  ['transfers-explicit', () => broken('rate', () => ({ device: GPU1 }))],
  ['collectives-complete', sharedName],
  [
    'staging-balanced',
    () => withStep({ rounds: [[0, 1].map((replica) => towerNode(lowered(), 'update', replica).id)] }),
  ],
  ['no-race', () => broken('update', () => ({ controls: [] }))],
]);
