import { distributedCluster } from '../../src/cluster.js';
import { edit, type GraphEditor, type NewNode } from '../../src/editor.js';
import { emptyModule, type Module, type NodeId, type ResourceId } from '../../src/graph.js';
import { builtinRegistry as ops } from '../../src/registry.js';
import { addConst, addVariable, out, why } from '../support/modules.js';

export const PS = '/job:ps/task:0/device:CPU:0';

export const hosts = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}${i}:1`);

export interface WorkerOptions {
  readonly workers?: number;
  readonly numGpus?: number;
  /** Changes the module before it is done. */
  readonly more?: (editor: GraphEditor) => void;
}

/**
 * What one worker of a cluster runs, small and by hand: a shared variable on the parameter server, one of its own on
 * each tower, a queue of each worker, a collective over the towers, and a step that waits for all workers.
 */
export function workerModule(task: number, { workers = 2, numGpus = 2, more }: WorkerOptions = {}): Module {
  return edit(emptyModule('cluster'), ops, 'build', (editor) => {
    const host = `/job:worker/task:${task}/device:CPU:0`;
    const add = (node: NewNode): NodeId => editor.addNode({ device: host, ...node }, why);
    const shared = addVariable(editor, 'w', { device: PS, scope: 'v' });
    const slot = addVariable(editor, 'w/Momentum', {
      device: PS,
      scope: 'v',
      slotOf: shared,
      trainable: false,
    });
    const queues = hosts('queue', workers).map((name) => queueOf(editor, name, workers));
    const gone = add({ op: 'NoOp', name: 'gone' });
    const rate = addConst(editor, 'optimizer/rate', { device: PS });
    const x = add({ op: 'Placeholder', name: 'x', attrs: { dtype: 'float32', shape: [2] }, phase: 'input' });
    const towers = Array.from({ length: numGpus }, (_, t) => tower(editor, task, t, numGpus, x));
    const update = add({
      op: 'AssignAddVariableOp',
      name: 'update',
      inputs: [out(rate)],
      resources: [shared],
      device: PS,
      colocation: 'w',
    });
    const puts = queues.flatMap((queue, i) =>
      i === task
        ? []
        : [
            add({
              op: 'QueueEnqueueV2',
              name: `put_${i}`,
              resources: [queue],
              device: PS,
              controls: [update],
            }),
          ],
    );
    const own = queues[task] ?? queues[0];
    const gets = puts.map((_, i) =>
      add({ op: 'QueueDequeueV2', name: `get_${i}`, resources: own === undefined ? [] : [own], device: PS }),
    );
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [towers.map(({ init }) => init)] });
    editor.setEntry({
      name: 'step',
      feeds: [{ name: 'x', node: x }],
      fetches: [{ name: 'sum', tensor: out(towers[0]?.sum ?? x) }],
      rounds: [[update, ...puts, ...gets, ...towers.map(({ sum }) => sum)]],
    });
    editor.addRole({ kind: 'apply', replica: null, variable: 'w', node: update });
    const common = { about: 'device', candidates: [], rule: 'the only one', option: '' } as const;
    editor.decide({ ...common, subject: shared, chosen: PS });
    editor.decide({ ...common, subject: slot, chosen: 'beside the variable' });
    editor.decide({ ...common, subject: gone, chosen: 'nowhere' });
    editor.decide({ ...common, subject: x, chosen: host });
    editor.updateNode(update, { variable: 'w' }, { reason: 'of the variable' });
    more?.(editor);
    editor.removeNode(gone, why);
    editor.setFrame({
      cluster: distributedCluster({
        psHosts: hosts('ps', 1),
        workerHosts: hosts('worker', workers),
        numGpus,
      }),
      task: { job: 'worker', index: task },
      towers: numGpus,
      established: [
        'every-node-placed',
        'colocation',
        'collectives-complete',
        'resource-colocated',
        'no-race',
      ],
    });
  }).module;
}

function queueOf(editor: GraphEditor, name: string, workers: number): ResourceId {
  return editor.addResource(
    { kind: 'queue', name, container: '', device: PS, replica: null, types: [], capacity: workers },
    why,
  );
}

function tower(
  editor: GraphEditor,
  task: number,
  replica: number,
  numGpus: number,
  x: NodeId,
): { init: NodeId; sum: NodeId } {
  const device = `/job:worker/task:${task}/device:GPU:${replica}`;
  const place = { device, replica };
  const own = addVariable(editor, 'w', { ...place, scope: `v${replica}`, collection: 'local' });
  const start = addConst(editor, 'start', place);
  const init = editor.addNode(
    { op: 'AssignVariableOp', name: 'init', inputs: [out(start)], resources: [own], ...place },
    why,
  );
  editor.addRole({ kind: 'initializer', replica, variable: 'w', node: init });
  const copy = editor.addNode(
    { op: 'Transfer', name: 'copy', inputs: [out(x)], ...place },
    { ...why, from: [x] },
  );
  const attrs = { num_devices: numGpus, shared_name: 'all_reduce/w', reduction: 'sum' };
  const sum = editor.addNode({ op: 'NcclAllReduce', name: 'sum', inputs: [out(copy)], attrs, ...place }, why);
  return { init, sum };
}
