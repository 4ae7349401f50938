import {
  builtinRegistry,
  distributedCluster,
  type EntryName,
  edit,
  emptyModule,
  type LinkedModule,
  link,
  type Module,
  type NewNode,
  type NodeId,
  type ResourceId,
  type TensorRef,
  type TensorType,
  type TensorValue,
} from '@placewright/ir';

const WHY = { reason: 'a cluster of the suite' };
/** Home of what the workers of a small cluster share. */
export const PS = '/job:ps/task:0/device:CPU:0';

/** Writes the part of one worker of a small cluster by hand; nodes are on the worker's host unless told otherwise. */
export interface SmallWorker {
  readonly task: number;
  readonly workers: number;
  op(op: string, name: string, inputs: readonly TensorRef[], more?: Partial<NewNode>): TensorRef;
  feed(name: string, type: TensorType): TensorRef;
  /** A tensor on another device. */
  copy(name: string, from: TensorRef, device?: string): TensorRef;
  /** A variable on the parameter server, the same for all workers. */
  shared(name: string, initial: TensorValue): ResourceId;
  /** A variable of this worker alone, called as those of the others. */
  own(name: string, initial: TensorValue): ResourceId;
  queue(name: string, types: readonly TensorType[], capacity: number): ResourceId;
  /**
   * As the original waits: an element into the queue of each other worker, then as many out of one's own. Gives the node
   * that waits.
   */
  barrier(name: string, after: readonly TensorRef[]): TensorRef;
  entry(
    name: EntryName,
    targets: readonly TensorRef[],
    fetches?: Readonly<Record<string, TensorRef>>,
    feeds?: readonly string[],
  ): void;
}

/** A cluster of one parameter server and some workers, each of which `body` writes. The chief's `init` assigns what is shared. */
export function smallCluster(workers: number, body: (worker: SmallWorker) => void): LinkedModule {
  return link(Array.from({ length: workers }, (_, task) => workerModule(task, workers, body)));
}

function workerModule(task: number, workers: number, body: (worker: SmallWorker) => void): Module {
  const hosts = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${name}${i}:2222`);
  const host = `/job:worker/task:${task}/device:CPU:0`;
  return edit(emptyModule('suite'), builtinRegistry, 'build', (editor) => {
    const feeds = new Map<string, NodeId>();
    const assigns: NodeId[] = [];
    const op: SmallWorker['op'] = (type, name, inputs, more = {}) => ({
      node: editor.addNode({ op: type, name, inputs, device: host, ...more }, WHY),
      port: 0,
    });
    const variable = (name: string, value: TensorValue, device: string): ResourceId => {
      const { dtype, shape } = value;
      const collection = device === PS ? 'global' : 'local';
      const own = { kind: 'variable', name, scope: '', container: '', device, replica: null } as const;
      const rest = { dtype, shape, trainable: true, collection, slotOf: null, savedAs: null } as const;
      const id = editor.addResource({ ...own, ...rest }, WHY);
      if (device === PS && task > 0) return id;
      const initial = op('Const', `${name}/initial`, [], { attrs: { value }, device });
      const assign = op('AssignVariableOp', `${name}/Assign`, [initial], { resources: [id], device });
      assigns.push(assign.node);
      return id;
    };
    const queue: SmallWorker['queue'] = (name, types, capacity) =>
      editor.addResource(
        { kind: 'queue', name, types, capacity, container: '', device: PS, replica: null },
        WHY,
      );
    body({
      task,
      workers,
      op,
      queue,
      feed: (name, { dtype, shape }) => {
        const ref = op('Placeholder', `in/${name}`, [], { attrs: { dtype, shape }, phase: 'input' });
        feeds.set(name, ref.node);
        return ref;
      },
      copy: (name, from, device = host) => op('Transfer', name, [from], { device }),
      shared: (name, initial) => variable(name, initial, PS),
      own: (name, initial) => variable(name, initial, host),
      barrier: (name, after) => {
        const queues = Array.from({ length: workers }, (_, i) => queue(`${name}${i}`, [], workers));
        const controls = after.map(({ node }) => node);
        const puts = queues.flatMap((id, i) =>
          i === task
            ? []
            : [op('QueueEnqueueV2', `${name}/put`, [], { resources: [id], controls, device: PS })],
        );
        return op('QueueDequeueManyV2', `${name}/get`, [], {
          attrs: { n: workers - 1 },
          resources: queues.slice(task, task + 1),
          controls: puts.map(({ node }) => node),
          device: PS,
        });
      },
      entry: (name, targets, fetches = {}, fed = []) =>
        editor.setEntry({
          name,
          feeds: fed.flatMap((feed) => {
            const node = feeds.get(feed);
            return node === undefined ? [] : [{ name: feed, node }];
          }),
          fetches: Object.entries(fetches).map(([fetch, tensor]) => ({ name: fetch, tensor })),
          rounds: [targets.map(({ node }) => node)],
        }),
    });
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [assigns] });
    const cluster = distributedCluster({
      psHosts: hosts('ps', 1),
      workerHosts: hosts('worker', workers),
      numGpus: 1,
    });
    editor.setFrame({ cluster, task: { job: 'worker', index: task }, towers: 1 });
  }).module;
}
