import { type Bits, hasBit, noBits, setBit } from './bits.js';
import {
  type Action,
  type NetBarrier,
  type NetBuffer,
  type NetRound,
  type Place,
  type SyncNet,
  type Transition,
  transitionAt,
} from './net.js';
import type { Moment } from './orders.js';

/** A net of some of the buffers and barriers, and what is left of a moment in it. */
export interface NarrowNet {
  readonly net: SyncNet;
  readonly restrict: (moment: Moment) => Pick<Moment, 'before' | 'after'>;
}

/** Makes nets narrow. */
export type Narrowing = (moments: readonly Moment[]) => { readonly key: string; make(): NarrowNet };

/**
 * The net of those buffers and barriers alone that lie nearest to some moments, by a key, and of those that are put into
 * together with them. It waits for less than the whole one, so that what it orders is ordered.
 */
export function narrowing(net: SyncNet): Narrowing {
  const together = bufferGroups(net);
  return (moments) => {
    const buffers = new Set<number>();
    const barriers = new Set<number>();
    for (const { task, round, near } of moments) {
      for (const transition of near) {
        const action = transitionAt(net, { task, round, transition })?.action;
        if (action?.kind === 'meet') barriers.add(action.barrier);
        else if (action !== undefined && action.kind !== 'together')
          for (const buffer of together[action.buffer] ?? []) buffers.add(buffer);
      }
    }
    const [some = [], meetings = []] = [buffers, barriers].map((set) => [...set].sort((a, b) => a - b));
    return { key: `${some.join()} ${meetings.join()}`, make: () => narrowNet(net, some, meetings) };
  };
}

/** For each buffer those that some task puts into at the same point: the queues of a barrier. */
function bufferGroups(net: SyncNet): readonly (readonly number[])[] {
  const groups = net.buffers.map((_, i) => new Set([i]));
  const firsts = new Map<string, number>();
  net.buffers.forEach(({ puts }, buffer) => {
    for (const place of puts) {
      const { controls = [] } = transitionAt(net, place)?.nodes[0] ?? {};
      if (controls.length === 0) continue;
      const key = controls.join();
      const first = firsts.get(key) ?? buffer;
      firsts.set(key, first);
      join(groups, first, buffer);
    }
  });
  return groups.map((group) => [...group]);
}

function join(groups: Set<number>[], a: number, b: number): void {
  const [one, other] = [groups[a], groups[b]];
  if (one === undefined || other === undefined || one === other) return;
  for (const buffer of other) {
    one.add(buffer);
    groups[buffer] = one;
  }
}

function narrowNet(net: SyncNet, buffers: readonly number[], barriers: readonly number[]): NarrowNet {
  const some = buffers.flatMap((i): NetBuffer[] => net.buffers.slice(i, i + 1));
  const meetings = barriers.flatMap((i): NetBarrier[] => net.barriers.slice(i, i + 1));
  const places = [
    ...some.flatMap(({ puts, gets }) => [...puts, ...gets]),
    ...meetings.flatMap(({ meets }) => meets),
  ];
  const kept = net.tasks.map(({ rounds }, task) => rounds.map((_, round) => keptIn(places, task, round)));
  const renumber = { buffers: numbers(buffers), barriers: numbers(barriers) };
  const tasks = net.tasks.map((task, t) => ({
    ...task,
    rounds: task.rounds.map((round, r) => narrowRound(round, kept[t]?.[r] ?? [], renumber)),
  }));
  // Places are not asked for in a run.
  return {
    net: { tasks, buffers: some, barriers: meetings },
    restrict: ({ task, round, before, after }) => {
      const list = kept[task]?.[round] ?? [];
      return { before: only(before, list), after: only(after, list) };
    },
  };
}

function keptIn(places: readonly Place[], task: number, round: number): number[] {
  return places
    .filter((place) => place.task === task && place.round === round)
    .map(({ transition }) => transition)
    .sort((a, b) => a - b);
}

const numbers = (ids: readonly number[]): Map<number, number> => new Map(ids.map((id, i) => [id, i]));

interface Numbers {
  readonly buffers: ReadonlyMap<number, number>;
  readonly barriers: ReadonlyMap<number, number>;
}

/** What is left waits for all that is left before it. */
function narrowRound(round: NetRound, kept: readonly number[], renumber: Numbers): NetRound {
  const before = kept.length === 0 ? [] : round.before();
  const sets = kept.map((transition) => only(before[transition] ?? noBits(0), kept));
  const transitions = kept
    .flatMap((at) => round.transitions[at] ?? [])
    .map(({ nodes, action }): Transition => ({ nodes, action: renumbered(action, renumber) }));
  const next = kept.map((_, i) => sets.flatMap((set, then) => (hasBit(set, i) ? [then] : [])));
  const waiting = Int32Array.from(sets, (set) => kept.filter((_, i) => hasBit(set, i)).length);
  const transitionOf = new Map(
    transitions.flatMap(({ nodes }, i) => nodes.map(({ id }) => [id, i] as const)),
  );
  return { view: round.view, transitions, transitionOf, next, waiting, before: () => sets };
}

function renumbered(action: Action, { buffers, barriers }: Numbers): Action {
  switch (action.kind) {
    case 'put':
    case 'get':
      return { ...action, buffer: buffers.get(action.buffer) ?? 0 };
    case 'meet':
      return { ...action, barrier: barriers.get(action.barrier) ?? 0 };
    case 'together':
      return action;
  }
}

/** The part of a set that is in the list, by place in the list. */
function only(bits: Bits, list: readonly number[]): Bits {
  const out = noBits(list.length);
  list.forEach((transition, i) => {
    if (hasBit(bits, transition)) setBit(out, i);
  });
  return out;
}
