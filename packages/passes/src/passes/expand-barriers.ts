import {
  type BarrierResource,
  type DeviceName,
  edit,
  type GraphEditor,
  type Module,
  type NewNode,
  type Node,
  type NodeId,
  type ResourceId,
  resourceName,
  scalar,
} from '@placewright/ir';
import { hostDevice, workerIndex } from '../devices.js';
import { definePass } from '../pass.js';

const PASS = 'expand-barriers';

/**
 * Expands each barrier into queues, as the original does: every worker has one, with room for a token of each worker.
 * Who comes puts a token into the queues of all others, and goes on when there is one of each other in its own. The
 * queues are shared: the modules of all workers have all of them, by the same names on the same device. Queues and nodes
 * say that they come from the pass that made the barrier.
 */
export const expandBarriers = definePass<Record<never, never>>({
  name: PASS,
  summary: 'expands barriers into a queue of tokens for each worker',
  options: {},
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const barriers = [...module.resources.values()].filter((r) => r.kind === 'barrier');
      const queueName = queueNames(module, barriers);
      const here = { own: workerIndex(site), host: hostDevice(site) };
      const queues = new Map<ResourceId, readonly ResourceId[]>();
      for (const barrier of barriers) queues.set(barrier.id, addQueues(editor, barrier, queueName));
      for (const node of module.graph.nodes.values()) {
        const [barrier] = node.op === 'Barrier' ? node.resources : [];
        const list = barrier === undefined ? undefined : queues.get(barrier);
        if (list !== undefined) expand(editor, node, list, here);
      }
      for (const { id } of barriers) editor.removeResource(id, { reason: 'expanded into queues' });
    }),
});

type QueueName = (barrier: BarrierResource, worker: number) => string;

/**
 * The original's names, the worker's number right behind the barrier's name, unless two of them are the same, which can
 * be from 11 workers on: barrier 1 of worker 10 and barrier 11 of worker 0. Then a separator stands between.
 */
function queueNames(module: Module, barriers: readonly BarrierResource[]): QueueName {
  const others = [...module.resources.values()].filter(({ kind }) => kind === 'queue').map(resourceName);
  for (let separator = ''; ; separator += '_') {
    const name: QueueName = (barrier, worker) => `${barrier.name}${separator}${worker}`;
    const all = barriers.flatMap((barrier) => workersOf(barrier).map((worker) => name(barrier, worker)));
    if (new Set([...all, ...others]).size === all.length + others.length) return name;
  }
}

function workersOf({ parties }: BarrierResource): number[] {
  return Array.from({ length: parties }, (_, worker) => worker);
}

function addQueues(editor: GraphEditor, barrier: BarrierResource, name: QueueName): ResourceId[] {
  const { container, device, parties, origin } = barrier;
  return workersOf(barrier).map((worker) =>
    editor.addResource(
      {
        kind: 'queue',
        container,
        device,
        replica: null,
        name: name(barrier, worker),
        types: [{ dtype: 'bool', shape: [] }],
        capacity: parties,
      },
      { reason: `tokens of the others for worker ${worker}: ${origin.reason}`, pass: origin.pass },
    ),
  );
}

/** The barrier's node itself becomes what waits for its tokens, so that what waits for it stays as it is. */
function expand(
  editor: GraphEditor,
  barrier: Node,
  queues: readonly ResourceId[],
  { own, host }: { readonly own: number; readonly host: DeviceName },
): void {
  const { id, name, device, variable, phase, origin } = barrier;
  const why = { reason: origin.reason, from: [id], pass: origin.pass };
  const add = (op: string, suffix: string, more: Partial<NewNode> = {}): NodeId =>
    editor.addNode({ op, name: `${name}/${suffix}`, device, variable, phase, ...more }, why);
  // What may be a long list is waited for once, on this task, and not by every queue on another.
  const controls =
    barrier.controls.length > 1
      ? [add('NoOp', 'arrived', { controls: barrier.controls, device: host })]
      : barrier.controls;
  // A worker that is alone has nobody to give one to.
  const token =
    queues.length > 1
      ? [{ node: add('Const', 'token', { attrs: { value: scalar('bool', 0) } }), port: 0 }]
      : [];
  const waits = queues.map((queue, worker) =>
    worker === own
      ? add('QueueDequeueManyV2', 'dequeue', { attrs: { n: queues.length - 1 }, resources: [queue] })
      : add('QueueEnqueueV2', `enqueue_${worker}`, { inputs: token, resources: [queue], controls }),
  );
  const update = { op: 'NoOp', resources: [], controls: [...controls, ...waits] };
  editor.updateNode(id, update, why);
}
