import { type Bits, hasBit, noBits, setBit } from './bits.js';
import { instancesIn, type NetRound, type NetTask, type Place, roundAt, type SyncNet } from './net.js';

/** Holds a task back in one of its rounds: what is blocked does not run, and the round does not end. */
export interface Freeze {
  readonly task: number;
  /** Counted through the task's run, as in `roundAt`; -1 holds it back before its first round. */
  readonly instance: number;
  /** Transitions that do not run; null for none. */
  readonly blocked: Bits | null;
}

export interface RunOptions {
  /** Steps that each task takes. */
  readonly steps: number;
  readonly freezes?: readonly Freeze[];
  /** Whether buffers whose room may be fought for have room without end. */
  readonly roomy?: boolean;
  /** Whether the result holds the order in which all ran. */
  readonly record?: boolean;
}

/** A transition as it ran. */
export interface Fired extends Place {
  readonly instance: number;
  /** Whether it went on with the one before it, as parties of a barrier do. */
  readonly along: boolean;
}

/** How far everything has come that could go on. */
export interface RunResult {
  readonly steps: number;
  /** Whether all tasks have taken all their steps. */
  readonly finished: boolean;
  readonly tasks: readonly TaskState[];
  /** Tuples in each buffer. */
  readonly levels: Int32Array;
  /** All that wait, though nothing that they come after does. */
  readonly stuck: readonly Place[];
  /** Empty unless asked for. */
  readonly order: readonly Fired[];
}

export interface TaskState {
  /** The round that it is in, counted through its run; after the last one where it has ended, -1 before it has begun. */
  readonly instance: number;
  /** Transitions of that round that have run. */
  readonly fired: Bits;
}

/**
 * Runs a net as far as it goes: each task its program with that many steps. No transition takes from another what it
 * waits for, as long as no buffer is contended and each is taken from in sequence, so that every order of running ends
 * in the same state, and this one stands for all.
 */
export function runNet(net: SyncNet, options: RunOptions): RunResult {
  const run = new NetRun(net, options);
  run.go();
  return run.result();
}

interface TaskRun {
  readonly net: NetTask;
  readonly limit: number;
  readonly freeze: readonly Freeze[];
  instance: number;
  round: NetRound | null;
  waiting: Int32Array;
  fired: Bits;
  left: number;
  frozen: Freeze | null;
}

class NetRun {
  readonly #net: SyncNet;
  readonly #options: RunOptions;
  readonly #tasks: readonly TaskRun[];
  readonly #levels: Int32Array;
  readonly #order: Fired[] = [];
  /** Transitions all of whose predecessors have run. */
  readonly #ready: { readonly task: number; readonly transition: number }[] = [];
  readonly #parked: { readonly task: number; readonly transition: number }[][];
  readonly #arrived: { readonly task: number; readonly transition: number }[][];

  constructor(net: SyncNet, options: RunOptions) {
    this.#net = net;
    this.#options = options;
    this.#levels = new Int32Array(net.buffers.length);
    this.#parked = net.buffers.map(() => []);
    this.#arrived = net.barriers.map(() => []);
    this.#tasks = net.tasks.map(
      (task, i): TaskRun => ({
        net: task,
        limit: instancesIn(task, options.steps),
        freeze: (options.freezes ?? []).filter((freeze) => freeze.task === i),
        instance: -1,
        round: null,
        waiting: new Int32Array(0),
        fired: noBits(0),
        left: 0,
        frozen: null,
      }),
    );
  }

  go(): void {
    this.#tasks.forEach((_, task) => {
      if (task === 0 || this.#initialised()) this.#begin(task);
    });
    for (let item = this.#ready.pop(); item !== undefined; item = this.#ready.pop())
      this.#attempt(item.task, item.transition);
  }

  result(): RunResult {
    return {
      steps: this.#options.steps,
      finished: this.#tasks.every(({ instance, limit }) => instance >= limit),
      tasks: this.#tasks.map(({ instance, fired }) => ({ instance, fired })),
      levels: this.#levels,
      stuck: this.#tasks.flatMap((state, task) => stuckIn(state, task)),
      order: this.#order,
    };
  }

  /** Whether the first task, which initialises for all, has done so. */
  #initialised(): boolean {
    const [first] = this.#tasks;
    return first === undefined || first.net.init === 0 || first.instance >= first.net.init;
  }

  /** Begins a task's first round, or the next one after the last round that has ended. */
  #begin(task: number): void {
    const state = this.#tasks[task] as TaskRun;
    const held = state.freeze.some(({ instance }) => instance === -1);
    if (state.instance !== -1 || held) return;
    this.#enter(task, state);
  }

  #enter(task: number, state: TaskRun): void {
    do {
      state.instance += 1;
      if (task === 0 && state.instance === state.net.init) this.#others();
      if (state.instance >= state.limit) {
        state.round = null;
        return;
      }
      this.#beginRound(task, state);
    } while (state.left === 0 && state.frozen === null);
  }

  #others(): void {
    for (let task = 1; task < this.#tasks.length; task++) this.#begin(task);
  }

  #beginRound(task: number, state: TaskRun): void {
    const round = state.net.rounds[roundAt(state.net, state.instance)] as NetRound;
    state.round = round;
    state.waiting = round.waiting.slice();
    state.fired = noBits(round.transitions.length);
    state.left = round.transitions.length;
    state.frozen = state.freeze.find(({ instance }) => instance === state.instance) ?? null;
    for (let t = round.transitions.length - 1; t >= 0; t--) {
      if (round.waiting[t] === 0) this.#ready.push({ task, transition: t });
    }
  }

  #attempt(task: number, transition: number): void {
    const { round, frozen } = this.#tasks[task] as TaskRun;
    if (frozen?.blocked && hasBit(frozen.blocked, transition)) return;
    const action = round?.transitions[transition]?.action;
    switch (action?.kind) {
      case 'put':
        if ((this.#levels[action.buffer] ?? 0) >= this.#room(action.buffer))
          this.#parked[action.buffer]?.push({ task, transition });
        else this.#move(task, transition, action.buffer, 1);
        return;
      case 'get':
        if ((this.#levels[action.buffer] ?? 0) < action.count)
          this.#parked[action.buffer]?.push({ task, transition });
        else this.#move(task, transition, action.buffer, -action.count);
        return;
      case 'meet':
        this.#meet(task, transition, action.barrier);
        return;
      case 'together':
        if (action.complete) this.#fire(task, transition);
        return;
      default:
        return;
    }
  }

  #room(buffer: number): number {
    const found = this.#net.buffers[buffer];
    return found === undefined || (found.contended && this.#options.roomy === true)
      ? Number.POSITIVE_INFINITY
      : found.capacity;
  }

  #move(task: number, transition: number, buffer: number, change: number): void {
    this.#levels[buffer] = (this.#levels[buffer] ?? 0) + change;
    this.#ready.push(...(this.#parked[buffer]?.splice(0) ?? []));
    this.#fire(task, transition);
  }

  /** Parties go on together when all are there. */
  #meet(task: number, transition: number, barrier: number): void {
    const there = this.#arrived[barrier] ?? [];
    there.push({ task, transition });
    if (there.length < (this.#net.barriers[barrier]?.resource.parties ?? 0)) return;
    const party = there.splice(0);
    party.forEach((each, i) => {
      this.#note(each.task, each.transition, i > 0);
    });
    for (const each of party) this.#finish(each.task, each.transition);
  }

  #fire(task: number, transition: number): void {
    this.#note(task, transition, false);
    this.#finish(task, transition);
  }

  #note(task: number, transition: number, along: boolean): void {
    if (this.#options.record !== true) return;
    const { net, instance } = this.#tasks[task] as TaskRun;
    this.#order.push({ task, instance, round: roundAt(net, instance), transition, along });
  }

  #finish(task: number, transition: number): void {
    const state = this.#tasks[task] as TaskRun;
    setBit(state.fired, transition);
    state.left -= 1;
    for (const after of state.round?.next[transition] ?? []) {
      const left = (state.waiting[after] ?? 0) - 1;
      state.waiting[after] = left;
      if (left === 0) this.#ready.push({ task, transition: after });
    }
    if (state.left === 0 && state.frozen === null) this.#enter(task, state);
  }
}

function stuckIn({ net, instance, round, waiting, fired }: TaskRun, task: number): Place[] {
  if (round === null) return [];
  return round.transitions.flatMap((_, transition): Place[] =>
    waiting[transition] === 0 && !hasBit(fired, transition)
      ? [{ task, round: roundAt(net, instance), transition }]
      : [],
  );
}
