import type { Random } from './random.js';
import type { Act, BufferSpec, ClusterSpec, RoundName, Step, WorkerSpec } from './spec.js';

type Places = readonly number[];

/** One worker's part, as it is being put together. */
export class WorkerDraft {
  readonly task: number;
  readonly lists: Readonly<Record<RoundName, Step[]>> = { init: [], postInit: [], barrier: [], step: [] };
  readonly warmUp: number[][] = [];

  constructor(task: number) {
    this.task = task;
  }

  /** Adds a node and gives its place. */
  add(round: RoundName, act: Act, after: Places = []): number {
    this.lists[round].push({ act, after: [...new Set(after)].sort((a, b) => a - b) });
    return this.lists[round].length - 1;
  }

  get spec(): WorkerSpec {
    return { ...this.lists, warmUp: this.warmUp };
  }
}

/** A cluster as it is being put together. */
export class ClusterDraft {
  readonly servers: number;
  readonly workers: readonly WorkerDraft[];
  readonly buffers = new Map<string, BufferSpec>();
  readonly barriers = new Map<string, number>();
  readonly variables = new Set<string>();

  constructor(servers: number, workers: number) {
    this.servers = servers;
    this.workers = Array.from({ length: workers }, (_, task) => new WorkerDraft(task));
  }

  queue(name: string, capacity: number): string {
    this.buffers.set(name, { kind: 'queue', capacity });
    return name;
  }

  area(name: string, capacity: number): string {
    this.buffers.set(name, { kind: 'area', capacity });
    return name;
  }

  /** A variable, which the first worker initialises: a new one of that name, or one that is there already. */
  variable(name: string, random: Random): string {
    const known = random.chance(0.3) ? random.pick([...this.variables]) : undefined;
    if (known !== undefined) return known;
    this.variables.add(name);
    this.workers[0]?.add('init', { kind: 'assign', variable: name });
    return name;
  }

  /** Lets a worker wait for all others, by a barrier or by a queue of each; gives the node that has waited. */
  wait(
    name: string,
    style: 'barrier' | 'queues',
    worker: WorkerDraft,
    round: RoundName,
    after: Places,
  ): number {
    const count = this.workers.length;
    if (style === 'barrier') {
      this.barriers.set(name, count);
      return worker.add(round, { kind: 'meet', barrier: name }, after);
    }
    const puts = this.workers.flatMap(({ task }) =>
      task === worker.task
        ? []
        : [worker.add(round, { kind: 'put', buffer: this.queue(`${name}${task}`, count) }, after)],
    );
    const own = this.queue(`${name}${worker.task}`, count);
    const get = worker.add(round, { kind: 'get', buffer: own, count: count - 1 });
    return worker.add(round, { kind: 'pass' }, [...puts, get, ...after]);
  }

  spec(): ClusterSpec {
    const { servers, buffers, barriers } = this;
    return { servers, workers: this.workers.map(({ spec }) => spec), buffers, barriers, faults: [] };
  }
}
