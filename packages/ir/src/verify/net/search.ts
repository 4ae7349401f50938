import { contains, hasBit, noBits, setBit } from './bits.js';
import { instancesIn, type NetRound, roundAt, type SyncNet } from './net.js';
import type { Fired } from './run.js';

/** What a search for a schedule that hangs came to. */
export type Found =
  | { readonly kind: 'none' }
  | { readonly kind: 'hang'; readonly order: readonly Fired[]; readonly levels: Int32Array }
  /** More states than were to be looked at. */
  | { readonly kind: 'unknown' };

/** A state of the net. Never changed once it is made. */
interface State {
  readonly tasks: readonly { readonly instance: number; readonly fired: Int32Array }[];
  readonly levels: Int32Array;
  /** The state before it, and what ran to come here. */
  readonly from: State | null;
  readonly ran: readonly Fired[];
}

/**
 * Looks for a schedule that hangs, through all states but those that differ only in the order of what cannot disturb
 * one another: where something other than a put into a contended buffer can run, that alone is tried.
 */
export function searchHang(net: SyncNet, steps: number, mostStates: number): Found {
  const limits = net.tasks.map((task) => instancesIn(task, steps));
  const seen = new Set<string>();
  const open: State[] = [settled(net, limits, startOf(net))];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = keyOf(state);
    if (seen.has(key)) continue;
    if (seen.size === mostStates) return { kind: 'unknown' };
    seen.add(key);
    const choices = choicesIn(net, limits, state);
    if (choices.length === 0 && state.tasks.some(({ instance }, i) => instance < (limits[i] ?? 0)))
      return { kind: 'hang', order: orderOf(state), levels: state.levels };
    const calm = choices.find((choice) => !isContended(net, choice));
    for (const choice of calm === undefined ? choices : [calm])
      open.push(settled(net, limits, after(net, state, choice)));
  }
  return { kind: 'none' };
}

function startOf(net: SyncNet): State {
  return {
    tasks: net.tasks.map(() => ({ instance: -1, fired: noBits(0) })),
    levels: new Int32Array(net.buffers.length),
    from: null,
    ran: [],
  };
}

function keyOf({ tasks, levels }: State): string {
  return `${tasks.map(({ instance, fired }) => `${instance}:${fired.join()}`).join(' ')} ${levels.join()}`;
}

function orderOf(end: State): Fired[] {
  const parts: (readonly Fired[])[] = [];
  for (let state: State | null = end; state !== null; state = state.from) parts.push(state.ran);
  return parts.reverse().flat();
}

function roundIn(net: SyncNet, state: State, task: number): NetRound | undefined {
  const found = net.tasks[task];
  const instance = state.tasks[task]?.instance ?? -1;
  return instance < 0 ? undefined : found?.rounds[roundAt(found, instance)];
}

/** Ends rounds that are done, and begins those that follow. */
function settled(net: SyncNet, limits: readonly number[], state: State): State {
  const tasks = state.tasks.slice();
  for (let changed = true; changed; ) {
    changed = false;
    tasks.forEach(({ instance, fired }, task) => {
      const limit = limits[task] ?? 0;
      const round = roundIn(net, { ...state, tasks }, task);
      const count = instance < limit ? (round?.transitions.length ?? 0) : 0;
      const isDone =
        instance < 0
          ? mayBegin(net, tasks, task)
          : Array.from({ length: count }, (_, t) => t).every((t) => hasBit(fired, t));
      if (instance >= limit || !isDone) return;
      const next = net.tasks[task]?.rounds[roundAt(net.tasks[task], instance + 1)];
      tasks[task] = { instance: instance + 1, fired: noBits(next?.transitions.length ?? 0) };
      changed = true;
    });
  }
  return { ...state, tasks };
}

function mayBegin(net: SyncNet, tasks: State['tasks'], task: number): boolean {
  const init = net.tasks[0]?.init ?? 0;
  return task === 0 || init === 0 || (tasks[0]?.instance ?? -1) >= init;
}

/** Transitions that can run: one, or all parties of a barrier. */
type Choice = readonly Fired[];

function choicesIn(net: SyncNet, limits: readonly number[], state: State): Choice[] {
  const choices: Choice[] = [];
  const arrived = new Map<number, Fired[]>();
  state.tasks.forEach(({ instance, fired }, task) => {
    const round = instance < (limits[task] ?? 0) ? roundIn(net, state, task) : undefined;
    round?.transitions.forEach(({ action }, transition) => {
      const ready = !hasBit(fired, transition) && contains(fired, round.before()[transition] ?? noBits(0));
      if (!ready) return;
      const place = {
        task,
        instance,
        round: roundAt(net.tasks[task] as SyncNet['tasks'][number], instance),
        transition,
        along: false,
      };
      if (action.kind === 'meet')
        arrived.set(action.barrier, [...(arrived.get(action.barrier) ?? []), place]);
      else if (canRun(net, state, action)) choices.push([place]);
    });
  });
  for (const [barrier, party] of arrived) {
    const { parties = 0 } = net.barriers[barrier]?.resource ?? {};
    if (party.length >= parties)
      choices.push(party.slice(0, parties).map((each, i) => ({ ...each, along: i > 0 })));
  }
  return choices;
}

function canRun(net: SyncNet, { levels }: State, action: NetRound['transitions'][number]['action']): boolean {
  switch (action.kind) {
    case 'put':
      return (levels[action.buffer] ?? 0) < (net.buffers[action.buffer]?.capacity ?? 0);
    case 'get':
      return (levels[action.buffer] ?? 0) >= action.count;
    case 'together':
      return action.complete;
    case 'meet':
      return false;
  }
}

const actionOf = (net: SyncNet, { task, round, transition }: Fired) =>
  net.tasks[task]?.rounds[round]?.transitions[transition]?.action;

function isContended(net: SyncNet, [first]: Choice): boolean {
  const action = first === undefined ? undefined : actionOf(net, first);
  return action?.kind === 'put' && net.buffers[action.buffer]?.contended === true;
}

function after(net: SyncNet, state: State, choice: Choice): State {
  const tasks = state.tasks.slice();
  const levels = state.levels.slice();
  for (const place of choice) {
    const { instance, fired } = tasks[place.task] as State['tasks'][number];
    const bits = fired.slice();
    setBit(bits, place.transition);
    tasks[place.task] = { instance, fired: bits };
    const action = actionOf(net, place);
    if (action?.kind === 'put') levels[action.buffer] = (levels[action.buffer] ?? 0) + 1;
    if (action?.kind === 'get') levels[action.buffer] = (levels[action.buffer] ?? 0) - action.count;
  }
  return { tasks, levels, from: state, ran: choice };
}
