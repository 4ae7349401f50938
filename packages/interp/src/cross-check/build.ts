import {
  builtinRegistry,
  type Cluster,
  edit,
  emptyModule,
  type GraphEditor,
  type LinkedModule,
  link,
  type Module,
  type NewNode,
  type NodeId,
  PS_JOB,
  type ResourceId,
  scalar,
  WORKER_JOB,
} from '@placewright/ir';
import { type Act, type ClusterSpec, ROUNDS, type RoundName, type Step, type WorkerSpec } from './spec.js';

const WHY = { reason: 'drawn' };

/** The modules of a drawn cluster's workers, linked. */
export function buildCluster(spec: ClusterSpec): LinkedModule {
  return link(spec.workers.map((worker, task) => buildWorker(spec, worker, task)));
}

function clusterOf({ servers, workers }: ClusterSpec): Cluster {
  const devices = [{ type: 'CPU', index: 0 }];
  const job = (name: string, count: number) => ({
    name,
    tasks: Array.from({ length: count }, (_, index) => ({ index, devices })),
  });
  const jobs = [...(servers === 0 ? [] : [job(PS_JOB, servers)]), job(WORKER_JOB, workers.length)];
  return { jobs, links: [] };
}

function buildWorker(spec: ClusterSpec, worker: WorkerSpec, task: number): Module {
  return edit(emptyModule('drawn'), builtinRegistry, 'build', (editor) => {
    new WorkerBuild(editor, spec, task).build(worker);
    editor.setFrame({ cluster: clusterOf(spec), task: { job: WORKER_JOB, index: task }, towers: 2 });
  }).module;
}

class WorkerBuild {
  readonly #editor: GraphEditor;
  readonly #spec: ClusterSpec;
  readonly #host: string;
  readonly #resources = new Map<string, ResourceId>();
  readonly #zero: NodeId;

  constructor(editor: GraphEditor, spec: ClusterSpec, task: number) {
    this.#editor = editor;
    this.#spec = spec;
    this.#host = `/job:${WORKER_JOB}/task:${task}/device:CPU:0`;
    // Nothing that is computed matters, and equal values keep the states few.
    this.#zero = this.#add('Const', 'zero', { attrs: { value: scalar('float32', 0) } });
  }

  build(worker: WorkerSpec): void {
    for (const name of ROUNDS) this.#entry(name, worker);
  }

  #entry(name: RoundName, worker: WorkerSpec): void {
    const ids: NodeId[] = [];
    for (const step of worker[name]) ids.push(this.#node(name, step, ids));
    if (ids.length > 0) this.#editor.setEntry({ name, feeds: [], fetches: [], rounds: [ids] });
    if (name !== 'step' || worker.warmUp.length === 0) return;
    const rounds = worker.warmUp.map((round) => round.flatMap((place) => ids[place] ?? []));
    this.#editor.setEntry({ name: 'warmUp', feeds: [], fetches: [], rounds });
  }

  #add(op: string, name: string, more: Partial<NewNode>): NodeId {
    return this.#editor.addNode({ op, name, device: this.#host, ...more }, WHY);
  }

  #node(entry: RoundName, { act, after }: Step, ids: readonly NodeId[]): NodeId {
    const controls = after.flatMap((place) => ids[place] ?? []);
    const zero = { node: this.#zero, port: 0 };
    const name = `${entry}/${act.kind}`;
    switch (act.kind) {
      case 'read':
        return this.#acts('ReadVariableOp', `${name}_${act.variable}`, this.#variable(act.variable), {
          controls,
        });
      case 'assign':
      case 'add': {
        const op = act.kind === 'add' ? 'AssignAddVariableOp' : 'AssignVariableOp';
        const more = { controls, inputs: [zero] };
        return this.#acts(op, `${name}_${act.variable}`, this.#variable(act.variable), more);
      }
      case 'put':
      case 'get':
        return this.#buffered(`${name}_${act.buffer}`, act, controls);
      case 'meet':
        return this.#acts('Barrier', `${name}_${act.barrier}`, this.#barrier(act.barrier), { controls });
      case 'reduce': {
        const attrs = { reduction: 'sum', num_devices: 2, shared_name: act.group };
        return this.#add('NcclAllReduce', name, { attrs, inputs: [zero], controls, replica: act.tower });
      }
      case 'pass':
        return this.#add('NoOp', name, { controls });
    }
  }

  #buffered(
    name: string,
    act: Extract<Act, { readonly buffer: string }>,
    controls: readonly NodeId[],
  ): NodeId {
    const buffer = this.#buffer(act.buffer);
    const isQueue = this.#spec.buffers.get(act.buffer)?.kind === 'queue';
    if (act.kind === 'put') {
      const inputs = [{ node: this.#zero, port: 0 }];
      return this.#acts(isQueue ? 'QueueEnqueueV2' : 'Stage', name, buffer, { controls, inputs });
    }
    if (!isQueue) return this.#acts('Unstage', name, buffer, { controls });
    return this.#acts('QueueDequeueManyV2', name, buffer, { controls, attrs: { n: act.count } });
  }

  #acts(op: string, name: string, resource: ResourceId, more: Partial<NewNode>): NodeId {
    return this.#add(op, name, {
      resources: [resource],
      device: this.#editor.resource(resource).device,
      ...more,
    });
  }

  #once(key: string, make: () => ResourceId): ResourceId {
    const id = this.#resources.get(key) ?? make();
    this.#resources.set(key, id);
    return id;
  }

  /** What is shared lives on the parameter servers in turn, or with the first worker where there are none. */
  #shared(name: string): string {
    const { servers } = this.#spec;
    return servers === 0
      ? `/job:${WORKER_JOB}/task:0/device:CPU:0`
      : `/job:${PS_JOB}/task:${name.length % servers}/device:CPU:0`;
  }

  #variable(name: string): ResourceId {
    return this.#once(`variable ${name}`, () =>
      this.#editor.addResource(
        {
          ...{ kind: 'variable', name, scope: '', container: '', device: this.#shared(name), replica: null },
          ...{
            dtype: 'float32',
            shape: [],
            trainable: true,
            collection: 'global',
            slotOf: null,
            savedAs: null,
          },
        },
        WHY,
      ),
    );
  }

  #buffer(name: string): ResourceId {
    const { kind = 'queue', capacity = 1 } = this.#spec.buffers.get(name) ?? {};
    const types = [{ dtype: 'float32', shape: [] }] as const;
    const common = { name, types, capacity, container: '', replica: null };
    return this.#once(`buffer ${name}`, () =>
      kind === 'area'
        ? this.#editor.addResource({ ...common, kind: 'stagingArea', device: this.#host }, WHY)
        : this.#editor.addResource({ ...common, kind, device: this.#shared(name) }, WHY),
    );
  }

  #barrier(name: string): ResourceId {
    const parties = this.#spec.barriers.get(name) ?? 1;
    return this.#once(`barrier ${name}`, () =>
      this.#editor.addResource(
        { kind: 'barrier', name, parties, container: '', device: this.#shared(name), replica: null },
        WHY,
      ),
    );
  }
}
