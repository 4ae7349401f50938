import {
  builtinRegistry,
  distributedCluster,
  type EntryName,
  edit,
  emptyModule,
  type LinkedModule,
  link,
  type NewNode,
  type NodeId,
  type ResourceId,
  type TensorRef,
} from '@placewright/ir';
import { floats } from './build.js';

const WHY = { reason: 'test' };
export const PS = '/job:ps/task:0/device:CPU:0';

/** Writes the part of one worker; nodes are on the worker's host unless told otherwise. */
export interface WorkerBuild {
  readonly task: number;
  op(op: string, inputs?: readonly TensorRef[], more?: Partial<NewNode>): TensorRef;
  /** A variable of one float, which `init` sets to `value`: the chief's, where it is on the parameter server. */
  variable(name: string, value: number, device?: string): ResourceId;
  /** A queue of floats on the parameter server. */
  queue(name: string, capacity: number, width?: number): ResourceId;
  /** Waits for all workers, once all of `after` have run. */
  barrier(name: string, after: readonly TensorRef[]): TensorRef;
  entry(
    name: EntryName,
    targets: readonly TensorRef[],
    fetches?: Readonly<Record<string, TensorRef>>,
    feeds?: Readonly<Record<string, TensorRef>>,
  ): void;
}

/** The linked modules of some workers, written by hand. */
export function clusterOf(workers: number, body: (build: WorkerBuild) => void): LinkedModule {
  const hosts = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}:1`);
  const cluster = distributedCluster({
    psHosts: hosts('ps', 1),
    workerHosts: hosts('worker', workers),
    numGpus: 1,
  });
  const modules = Array.from({ length: workers }, (_, task) => {
    const host = `/job:worker/task:${task}/device:CPU:0`;
    return edit(emptyModule('test'), builtinRegistry, 'build', (editor) => {
      const assigns: NodeId[] = [];
      const op: WorkerBuild['op'] = (type, inputs = [], more = {}) => ({
        node: editor.addNode({ op: type, name: type, inputs, device: host, ...more }, WHY),
        port: 0,
      });
      const common = { container: '', replica: null } as const;
      const queue: WorkerBuild['queue'] = (name, capacity, width = 1) => {
        const types = Array.from({ length: width }, () => ({ dtype: 'float32', shape: [1] }) as const);
        return editor.addResource({ ...common, kind: 'queue', name, types, capacity, device: PS }, WHY);
      };
      body({
        task,
        op,
        queue,
        variable: (name, value, device = host) => {
          const collection = device === PS ? 'global' : 'local';
          const own = { kind: 'variable', name, scope: '', dtype: 'float32', shape: [1], device } as const;
          const rest = { trainable: true, collection, slotOf: null, savedAs: null } as const;
          const id = editor.addResource({ ...common, ...own, ...rest }, WHY);
          if (device === PS && task > 0) return id;
          const initial = op('Const', [], { attrs: { value: floats(value) }, device });
          const assign = op('AssignVariableOp', [initial], {
            resources: [id],
            device,
            name: `${name}/Assign`,
          });
          assigns.push(assign.node);
          return id;
        },
        barrier: (name, after) => {
          const ids = Array.from({ length: workers }, (_, i) => queue(`${name}${i}`, workers, 0));
          const controls = after.map(({ node }) => node);
          const puts = ids.flatMap((id, i) =>
            i === task
              ? []
              : [op('QueueEnqueueV2', [], { name: `${name}/put`, resources: [id], controls, device: PS })],
          );
          return op('QueueDequeueManyV2', [], {
            name: `${name}/get`,
            attrs: { n: workers - 1 },
            resources: ids.slice(task, task + 1),
            controls: puts.map(({ node }) => node),
            device: PS,
          });
        },
        entry: (name, targets, fetches = {}, feeds = {}) =>
          editor.setEntry({
            name,
            feeds: Object.entries(feeds).map(([feed, { node }]) => ({ name: feed, node })),
            fetches: Object.entries(fetches).map(([fetch, tensor]) => ({ name: fetch, tensor })),
            rounds: [targets.map(({ node }) => node)],
          }),
      });
      editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [assigns] });
      editor.setFrame({ cluster, task: { job: 'worker', index: task }, towers: 1 });
    }).module;
  });
  return link(modules);
}
