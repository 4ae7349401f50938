import {
  builtinRegistry,
  distributedCluster,
  type EntryName,
  edit,
  emptyModule,
  type GraphEditor,
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

const why = { reason: 'test' };
export const PS = '/job:ps/task:0/device:CPU:0';

/** Writes the module of one worker by hand. */
export interface WorkerBuilder {
  readonly task: number;
  readonly workers: number;
  /** On the worker's host unless said otherwise. */
  node(op: string, more?: Partial<NewNode> & { readonly inputs?: readonly TensorRef[] }): NodeId;
  constant(value: TensorValue, device?: string): TensorRef;
  /** A variable that all workers share, on the parameter server. */
  shared(name: string, type: TensorType): ResourceId;
  own(name: string, type: TensorType): ResourceId;
  queue(name: string, types: readonly TensorType[], capacity: number): ResourceId;
  barrier(name: string, parties: number): ResourceId;
  /**
   * The original's barrier: an element for each other worker into its queue, then as many out of one's own; gives the
   * node that waits.
   */
  wait(name: string, after: readonly NodeId[]): NodeId;
  entry(
    name: EntryName,
    targets: readonly NodeId[],
    fetches?: Readonly<Record<string, TensorRef>>,
    feeds?: Readonly<Record<string, TensorRef>>,
  ): void;
  readonly editor: GraphEditor;
}

export function workerModule(task: number, workers: number, body: (worker: WorkerBuilder) => void): Module {
  const hosts = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}:1`);
  return edit(emptyModule('cluster'), builtinRegistry, 'build', (editor) => {
    body(workerBuilder(editor, task, workers));
    editor.setFrame({
      cluster: distributedCluster({
        psHosts: hosts('ps', 1),
        workerHosts: hosts('worker', workers),
        numGpus: 1,
      }),
      task: { job: 'worker', index: task },
      towers: 1,
    });
  }).module;
}

/** A cluster each of whose workers `body` writes. */
export function linked(workers: number, body: (worker: WorkerBuilder) => void): LinkedModule {
  return link(Array.from({ length: workers }, (_, task) => workerModule(task, workers, body)));
}

function workerBuilder(editor: GraphEditor, task: number, workers: number): WorkerBuilder {
  const host = `/job:worker/task:${task}/device:CPU:0`;
  const node: WorkerBuilder['node'] = (op, more = {}) =>
    editor.addNode({ op, name: op, device: host, ...more }, why);
  const variable = (name: string, { dtype, shape }: TensorType, device: string): ResourceId =>
    editor.addResource(
      {
        ...{ kind: 'variable', name, scope: '', container: '', device, replica: null, dtype, shape },
        ...{ trainable: true, collection: device === PS ? 'global' : 'local', slotOf: null, savedAs: null },
      },
      why,
    );
  const place = { container: '', device: PS, replica: null };
  const queue: WorkerBuilder['queue'] = (name, types, capacity) =>
    editor.addResource({ ...place, kind: 'queue', name, types, capacity }, why);
  return {
    task,
    workers,
    editor,
    node,
    queue,
    constant: (value, device = host) => ({ node: node('Const', { attrs: { value }, device }), port: 0 }),
    shared: (name, type) => variable(name, type, PS),
    own: (name, type) => variable(name, type, host),
    barrier: (name, parties) => editor.addResource({ ...place, kind: 'barrier', name, parties }, why),
    wait: (name, after) => {
      const queues = Array.from({ length: workers }, (_, i) => queue(`${name}${i}`, [], workers));
      const puts = queues.flatMap((id, i) =>
        i === task
          ? []
          : [node('QueueEnqueueV2', { name: `${name}/put`, device: PS, resources: [id], controls: after })],
      );
      return node('QueueDequeueManyV2', {
        ...{ name: `${name}/get`, device: PS, attrs: { n: workers - 1 }, controls: puts },
        resources: [queues[task] ?? 'r0'],
      });
    },
    entry: (name, targets, fetches = {}, feeds = {}) =>
      editor.setEntry({
        name,
        feeds: Object.entries(feeds).map(([feed, ref]) => ({ name: feed, node: ref.node })),
        fetches: Object.entries(fetches).map(([fetch, tensor]) => ({ name: fetch, tensor })),
        rounds: [targets],
      }),
  };
}
