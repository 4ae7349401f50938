import type { Entry, Module, NodeId } from '../../src/graph.js';
import type { LinkedModule } from '../../src/link.js';
import { tensorOf } from '../../src/tensor.js';
import { broken, edited, GPU1, resourceIn, towerNode, withResource } from '../support/broken.js';
import { cluster } from '../support/cluster.js';
import { lowered } from '../support/lowered.js';
import { addConst, build, out, why, withNode } from '../support/modules.js';

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

/** Without the warm-up that fills the staging areas. */
function unfilled(): Module {
  const module = lowered();
  const { warmUp: _, ...entries } = module.entries;
  return { ...module, entries };
}

/** Two workers that take from one queue, in no order. */
function twoTakers(): LinkedModule {
  return cluster(2, (worker) => {
    const queue = worker.queue('queue', 2);
    worker.runs('step', [worker.put(queue), worker.get(queue)]);
  });
}

/** A staging area that is filled from what was got from it, and never was filled. */
function waitingForItself(): Module {
  const module = unfilled();
  const get = out(towerNode(module, 'get').id);
  return withNode(module, towerNode(module, 'stage').id, { inputs: [get] });
}

/** Workers of which each reads what the other updates at the same time. */
function unorderedWorkers(): LinkedModule {
  return cluster(2, (worker) => {
    const w = worker.shared('w');
    worker.runs('step', [worker.write(w, [worker.read(w)])]);
  });
}

function otherRate(): Module {
  const value = { kind: 'tensor', value: tensorOf('float32', [2], [2, 2]) } as const;
  return broken('rate', () => ({ attrs: new Map([['value', value]]) }));
}

/** By the name of an invariant, a module, or linked ones, that breaks it. A new invariant needs a line here. */
export const BREAKERS: ReadonlyMap<string, () => Module | LinkedModule> = new Map<
  string,
  () => Module | LinkedModule
>([
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
  ['staging-filled', unfilled],
  ['no-choice', twoTakers],
  ['no-hang', waitingForItself],
  ['no-race', () => broken('update', () => ({ controls: [] }))],
  ['no-race-across-tasks', unorderedWorkers],
  ['replicas-equal', otherRate],
]);
