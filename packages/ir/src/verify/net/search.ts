import { contains, hasBit, noBits, setBit } from './bits.js';
import { type Action, instancesIn, type NetRound, roundAt, type SyncNet } from './net.js';
import type { Fired, Freeze, TaskState } from './run.js';

/** What a search for a state came to. */
export type Found =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly order: readonly Fired[] }
  /** There are more states than were to be looked at. */
  | { readonly kind: 'unknown' };

export interface SearchOptions {
  readonly steps: number;
  readonly freezes?: readonly Freeze[];
  readonly mostStates: number;
  /** Whether a state is the one looked for; `isEnd` says that nothing can run in it. */
  readonly isGoal: (tasks: readonly TaskState[], isEnd: boolean) => boolean;
}

/** A state of the net. Never changed once it is made. */
interface State {
  readonly tasks: readonly TaskState[];
  readonly levels: Int32Array;
  /** The state before it, and what ran to come here. */
  readonly from: State | null;
  readonly ran: readonly Fired[];
}

/**
 * Looks for a state that some schedule comes to, through all but those that differ only in the order of what cannot
 * disturb one another: where something other than a put into a contended buffer can run, that alone is tried. So it
 * finds states that stay as they are whatever else runs.
 */
export function searchState(net: SyncNet, options: SearchOptions): Found {
  const search = new Search(net, options);
  const seen = new Set<string>();
  const open: State[] = [search.start()];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = keyOf(state);
    if (seen.has(key)) continue;
    if (seen.size === options.mostStates) return { kind: 'unknown' };
    seen.add(key);
    const choices = search.choices(state);
    if (options.isGoal(state.tasks, choices.length === 0)) return { kind: 'found', order: orderOf(state) };
    const calm = choices.find((choice) => !search.isContended(choice));
    for (const choice of calm === undefined ? choices : [calm]) open.push(search.after(state, choice));
  }
  return { kind: 'none' };
}

function keyOf({ tasks, levels }: State): string {
  return `${tasks.map(({ instance, fired }) => `${instance}:${fired.join()}`).join(' ')} ${levels.join()}`;
}

function orderOf(end: State): Fired[] {
  const parts: (readonly Fired[])[] = [];
  for (let state: State | null = end; state !== null; state = state.from) parts.push(state.ran);
  return parts.reverse().flat();
}

/** Transitions that can run: one, or all parties of a barrier. */
type Choice = readonly Fired[];

class Search {
  readonly #net: SyncNet;
  readonly #limits: readonly number[];
  readonly #freezes: readonly Freeze[];

  constructor(net: SyncNet, { steps, freezes = [] }: SearchOptions) {
    this.#net = net;
    this.#limits = net.tasks.map((task) => instancesIn(task, steps));
    this.#freezes = freezes;
  }

  start(): State {
    const tasks = this.#net.tasks.map(() => ({ instance: -1, fired: noBits(0) }));
    const levels = new Int32Array(this.#net.buffers.length);
    return { tasks: this.#settled(tasks), levels, from: null, ran: [] };
  }

  after(state: State, choice: Choice): State {
    const tasks = state.tasks.slice();
    const levels = state.levels.slice();
    for (const place of choice) {
      const { instance, fired } = tasks[place.task] as TaskState;
      const bits = fired.slice();
      setBit(bits, place.transition);
      tasks[place.task] = { instance, fired: bits };
      const action = this.#actionOf(place);
      if (action?.kind === 'put') levels[action.buffer] = (levels[action.buffer] ?? 0) + 1;
      if (action?.kind === 'get') levels[action.buffer] = (levels[action.buffer] ?? 0) - action.count;
    }
    return { tasks: this.#settled(tasks), levels, from: state, ran: choice };
  }

  choices(state: State): Choice[] {
    const choices: Choice[] = [];
    const arrived = new Map<number, Fired[]>();
    for (const place of state.tasks.flatMap((task, i) => this.#ready(task, i))) {
      const action = this.#actionOf(place);
      if (action?.kind === 'meet')
        arrived.set(action.barrier, [...(arrived.get(action.barrier) ?? []), place]);
      else if (action !== undefined && this.#canRun(state, action)) choices.push([place]);
    }
    for (const [barrier, party] of arrived) {
      const { parties = 0 } = this.#net.barriers[barrier]?.resource ?? {};
      if (party.length >= parties)
        choices.push(party.slice(0, parties).map((each, i) => ({ ...each, along: i > 0 })));
    }
    return choices;
  }

  isContended([first]: Choice): boolean {
    const action = first === undefined ? undefined : this.#actionOf(first);
    return action?.kind === 'put' && this.#net.buffers[action.buffer]?.contended === true;
  }

  #roundOf(task: number, instance: number): NetRound | undefined {
    const found = this.#net.tasks[task];
    if (found === undefined || instance < 0 || instance >= (this.#limits[task] ?? 0)) return undefined;
    return found.rounds[roundAt(found, instance)];
  }

  #actionOf({ task, round, transition }: Fired): Action | undefined {
    return this.#net.tasks[task]?.rounds[round]?.transitions[transition]?.action;
  }

  #freezeAt(task: number, instance: number): Freeze | undefined {
    return this.#freezes.find((freeze) => freeze.task === task && freeze.instance === instance);
  }

  /** Ends rounds that are done, and begins those that follow. */
  #settled(before: readonly TaskState[]): TaskState[] {
    const tasks = before.slice();
    for (let changed = true; changed; ) {
      changed = false;
      tasks.forEach((state, task) => {
        if (state.instance >= (this.#limits[task] ?? 0) || !this.#isDone(tasks, state, task)) return;
        const instance = state.instance + 1;
        const count = this.#roundOf(task, instance)?.transitions.length ?? 0;
        tasks[task] = { instance, fired: noBits(count) };
        changed = true;
      });
    }
    return tasks;
  }

  #isDone(tasks: readonly TaskState[], { instance, fired }: TaskState, task: number): boolean {
    if (this.#freezeAt(task, instance) !== undefined) return false;
    if (instance < 0) {
      const init = this.#net.tasks[0]?.init ?? 0;
      return task === 0 || init === 0 || (tasks[0]?.instance ?? -1) >= init;
    }
    return (this.#roundOf(task, instance)?.transitions ?? []).every((_, t) => hasBit(fired, t));
  }

  #ready({ instance, fired }: TaskState, task: number): Fired[] {
    const round = this.#roundOf(task, instance);
    const net = this.#net.tasks[task];
    if (round === undefined || net === undefined) return [];
    const blocked = this.#freezeAt(task, instance)?.blocked ?? noBits(0);
    return round.transitions.flatMap((_, transition) => {
      const before = round.before()[transition] ?? noBits(0);
      const isReady = !hasBit(fired, transition) && !hasBit(blocked, transition) && contains(fired, before);
      return isReady ? [{ task, instance, round: roundAt(net, instance), transition, along: false }] : [];
    });
  }

  #canRun({ levels }: State, action: Action): boolean {
    switch (action.kind) {
      case 'put':
        return (levels[action.buffer] ?? 0) < (this.#net.buffers[action.buffer]?.capacity ?? 0);
      case 'get':
        return (levels[action.buffer] ?? 0) >= action.count;
      case 'together':
        return action.complete;
      case 'meet':
        return false;
    }
  }
}
