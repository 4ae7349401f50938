import { distributedCluster } from '../../src/cluster.js';
import { edit, type GraphEditor, type NewNode } from '../../src/editor.js';
import { type EntryName, emptyModule, type Module, type NodeId, type ResourceId } from '../../src/graph.js';
import { link } from '../../src/link/link.js';
import type { LinkedModule } from '../../src/link.js';
import { builtinRegistry } from '../../src/registry.js';
import { scalar } from '../../src/tensor.js';
import { out, why } from './modules.js';

const PS = '/job:ps/task:0/device:CPU:0';
const hosts = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}${i}:1`);

/** Writes the graph of one worker by hand; nodes are on its host unless they act on what is shared. */
export class Worker {
  readonly task: number;
  readonly workers: number;
  readonly editor: GraphEditor;
  readonly #resources = new Map<string, ResourceId>();
  readonly #rounds = new Map<EntryName, NodeId[][]>();

  constructor(editor: GraphEditor, task: number, workers: number) {
    this.editor = editor;
    this.task = task;
    this.workers = workers;
  }

  get host(): string {
    return `/job:worker/task:${this.task}/device:CPU:0`;
  }

  node(op: string, name: string, more: Partial<NewNode> = {}): NodeId {
    return this.editor.addNode({ op, name, device: this.host, ...more }, why);
  }

  /** A variable that all workers share. */
  shared(name: string): ResourceId {
    return this.#resource(name, () =>
      this.editor.addResource(
        {
          ...{
            kind: 'variable',
            name,
            scope: '',
            container: '',
            device: PS,
            replica: null,
            dtype: 'float32',
          },
          ...{ shape: [], trainable: true, collection: 'global', slotOf: null, savedAs: null },
        },
        why,
      ),
    );
  }

  queue(name: string, capacity: number, device = PS): ResourceId {
    return this.#buffer('queue', name, capacity, device);
  }

  area(name: string, capacity = 2): ResourceId {
    return this.#buffer('stagingArea', name, capacity, this.host);
  }

  #buffer(kind: 'queue' | 'stagingArea', name: string, capacity: number, device: string): ResourceId {
    const types = [{ dtype: 'float32', shape: [] }] as const;
    return this.#resource(name, () =>
      this.editor.addResource({ kind, container: '', device, replica: null, name, types, capacity }, why),
    );
  }

  barrier(name: string, parties: number): ResourceId {
    return this.#resource(name, () =>
      this.editor.addResource(
        { kind: 'barrier', container: '', device: PS, replica: null, name, parties },
        why,
      ),
    );
  }

  #resource(name: string, make: () => ResourceId): ResourceId {
    const id = this.#resources.get(name) ?? make();
    this.#resources.set(name, id);
    return id;
  }

  #acts(
    op: string,
    name: string,
    resource: ResourceId,
    controls: readonly NodeId[],
    more: Partial<NewNode>,
  ): NodeId {
    const { device } = this.editor.resource(resource);
    return this.node(op, name, { resources: [resource], device, controls, ...more });
  }

  read(variable: ResourceId, controls: readonly NodeId[] = [], name = 'read'): NodeId {
    return this.#acts('ReadVariableOp', name, variable, controls, {});
  }

  /** An assignment, or with `Add` or `Sub` an update. */
  write(
    variable: ResourceId,
    controls: readonly NodeId[] = [],
    kind: '' | 'Add' | 'Sub' = 'Add',
    name = 'write',
  ): NodeId {
    return this.#acts(`Assign${kind}VariableOp`, name, variable, controls, {
      inputs: [out(this.constant())],
    });
  }

  constant(value = 1): NodeId {
    return this.node('Const', 'const', { attrs: { value: scalar('float32', value) } });
  }

  put(buffer: ResourceId, controls: readonly NodeId[] = [], name = 'put'): NodeId {
    const op = this.editor.resource(buffer).kind === 'queue' ? 'QueueEnqueueV2' : 'Stage';
    return this.#acts(op, name, buffer, controls, { inputs: [out(this.constant())] });
  }

  get(buffer: ResourceId, controls: readonly NodeId[] = [], n = 1, name = 'get'): NodeId {
    if (this.editor.resource(buffer).kind === 'stagingArea')
      return this.#acts('Unstage', name, buffer, controls, {});
    return this.#acts('QueueDequeueManyV2', name, buffer, controls, { attrs: { n } });
  }

  meet(barrier: ResourceId, controls: readonly NodeId[] = [], name = 'meet'): NodeId {
    return this.#acts('Barrier', name, barrier, controls, {});
  }

  /** The original's barrier of queues; gives the node that waits. */
  wait(name: string, after: readonly NodeId[], capacity = this.workers): NodeId {
    const puts = hosts(name, this.workers).flatMap((_, i) =>
      i === this.task ? [] : [this.put(this.queue(`${name}${i}`, capacity), after, `${name}/put_${i}`)],
    );
    const get = this.get(this.queue(`${name}${this.task}`, capacity), [], this.workers - 1, `${name}/get`);
    return this.node('NoOp', `${name}/passed`, { controls: [...puts, get] });
  }

  /** Adds a round to an entry. */
  runs(entry: EntryName, targets: readonly NodeId[]): void {
    const rounds = this.#rounds.get(entry) ?? [];
    rounds.push([...targets]);
    this.#rounds.set(entry, rounds);
    this.editor.setEntry({ name: entry, feeds: [], fetches: [], rounds });
  }
}

export function workerModule(task: number, workers: number, body: (worker: Worker) => void): Module {
  return edit(emptyModule('cluster'), builtinRegistry, 'build', (editor) => {
    body(new Worker(editor, task, workers));
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
export function cluster(workers: number, body: (worker: Worker) => void): LinkedModule {
  return link(Array.from({ length: workers }, (_, task) => workerModule(task, workers, body)));
}

/** The module of one task. */
export function alone(body: (worker: Worker) => void): LinkedModule {
  return cluster(1, body);
}
