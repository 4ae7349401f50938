import { type Node, type NodeId, nodeName } from '../../graph.js';
import { predecessors } from '../../traverse.js';
import type { Counterexample, VerifyContext } from '../invariant.js';
import { roundGraph } from './flow.js';
import { instancesIn, type NetRound, type NetTask, roundAt, type SyncNet } from './net.js';
import type { Fired, RunResult } from './run.js';

/** A node of a round that is not to run. */
export interface Held {
  readonly task: number;
  readonly instance: number;
  readonly node: Node;
}

/**
 * What runs, node by node, in a run of the net: all that never waits as soon as it can, the others in the run's order.
 * `held` do not run, nor what comes after them.
 */
export function expandRun(
  context: VerifyContext,
  run: Pick<RunResult, 'steps' | 'order'>,
  held: readonly Held[] = [],
): Counterexample {
  const expansion = new Expansion(context, run.steps, held);
  return {
    steps: run.steps,
    order: expansion.names(run.order),
    next: held.map(({ node }) => nodeName(node)),
  };
}

interface TaskNodes {
  readonly net: NetTask;
  readonly limit: number;
  instance: number;
  round: NetRound | null;
  waiting: Map<NodeId, number>;
  next: Map<NodeId, NodeId[]>;
  left: number;
  readonly held: readonly Held[];
}

class Expansion {
  readonly #context: VerifyContext;
  readonly #net: SyncNet;
  readonly #tasks: readonly TaskNodes[];
  readonly #names: string[] = [];

  constructor(context: VerifyContext, steps: number, held: readonly Held[]) {
    this.#context = context;
    this.#net = context.net();
    this.#tasks = this.#net.tasks.map(
      (net, task): TaskNodes => ({
        net,
        limit: instancesIn(net, steps),
        instance: -1,
        round: null,
        waiting: new Map(),
        next: new Map(),
        left: 0,
        held: held.filter((each) => each.task === task),
      }),
    );
  }

  names(order: readonly Fired[]): string[] {
    const [first] = this.#tasks;
    if (first !== undefined) this.#begin(first);
    if (first === undefined || first.net.init === 0 || first.instance >= first.net.init) this.#beginOthers();
    for (const { task, transition, along } of order) this.#fire(task, transition, along);
    return this.#names;
  }

  #begin(task: TaskNodes): void {
    do {
      task.instance += 1;
      const round =
        task.instance < task.limit ? task.net.rounds[roundAt(task.net, task.instance)] : undefined;
      task.round = round ?? null;
      if (round === undefined) break;
      this.#enter(task, round);
    } while (task.left === 0);
    if (task === this.#tasks[0] && task.net.init > 0 && task.instance >= task.net.init) this.#beginOthers();
  }

  #beginOthers(): void {
    for (const task of this.#tasks.slice(1)) if (task.instance === -1) this.#begin(task);
  }

  #enter(task: TaskNodes, { view }: NetRound): void {
    const { nodes } = roundGraph(this.#context.order(), this.#context.position(), view.nodes);
    task.waiting = new Map();
    task.next = new Map(nodes.map(({ id }) => [id, []]));
    task.left = nodes.length;
    const ready: NodeId[] = [];
    for (const node of nodes) {
      const before = new Set(predecessors(node));
      task.waiting.set(node.id, before.size);
      for (const id of before) task.next.get(id)?.push(node.id);
      if (before.size === 0) ready.push(node.id);
    }
    this.#drain(task, ready.reverse());
  }

  /** Runs what can run without waiting, and what then can. */
  #drain(task: TaskNodes, ready: NodeId[]): void {
    for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
      if (task.round?.transitionOf.has(id) || this.#isHeld(task, id)) continue;
      this.#name(id);
      ready.push(...this.#done(task, id));
    }
  }

  #isHeld({ held, instance }: TaskNodes, id: NodeId): boolean {
    return held.some((each) => each.instance === instance && each.node.id === id);
  }

  #name(id: NodeId): void {
    const node = this.#context.module.graph.nodes.get(id);
    if (node !== undefined) this.#names.push(nodeName(node));
  }

  /** Marks a node as run, and gives what waits for nothing any more. */
  #done(task: TaskNodes, id: NodeId): NodeId[] {
    task.left -= 1;
    return (task.next.get(id) ?? []).filter((after) => {
      const left = (task.waiting.get(after) ?? 0) - 1;
      task.waiting.set(after, left);
      return left === 0;
    });
  }

  #fire(index: number, transition: number, along: boolean): void {
    const task = this.#tasks[index];
    const nodes = task?.round?.transitions[transition]?.nodes;
    if (task === undefined || nodes === undefined) return;
    if (!along) this.#name(nodes[0].id);
    this.#drain(
      task,
      nodes.flatMap(({ id }) => this.#done(task, id)),
    );
    if (task.left === 0) this.#begin(task);
  }
}
