import { createHash } from 'node:crypto';
import {
  allocate,
  type Entry,
  elementCount,
  type Module,
  PlacewrightError,
  type TensorRef,
} from '@placewright/ir';
import type { Accumulate } from '../../engine.js';
import type { OwnEmitters } from './emit/region.js';
import { type CollectivePlan, planRound, type RoundPlan } from './plan.js';
import type { SharedCollective } from './protocol.js';

/** Plans for further fetches that are kept; beyond it the oldest is forgotten. */
const MAX_EXTRA = 16;

/** One round of an entry on all devices, with the number that workers know it by. */
export interface PlannedRound {
  readonly plan: number;
  readonly round: RoundPlan;
}

export interface PlannedEntry {
  readonly rounds: readonly PlannedRound[];
  /** Whether the workers do not have them yet. */
  readonly isNew: boolean;
  /** What the workers need not keep any more. */
  readonly dropped: readonly PlannedRound[];
}

/** Makes and keeps the plans of a module. */
export interface Planner {
  /** All rounds of all entries, without further fetches. */
  own(): readonly PlannedRound[];
  /** The rounds of an entry that also give `extra`, by the names that `nameOf` says. Throws PW_ENGINE_*, PW_FETCH_DUPLICATE. */
  rounds(entry: Entry, extra: readonly TensorRef[], nameOf: (ref: TensorRef) => string): PlannedEntry;
  /** A collective with the memory that its members share, the same in all plans. */
  share(collective: CollectivePlan): SharedCollective;
}

/** What the models of regions are written with. */
export interface HowToEmit {
  readonly accumulate: Accumulate;
  readonly emitters: OwnEmitters;
}

/**
 * Plans every entry of a module. `numbers` counts the plans of all planners whose workers are the same.
 * Throws PW_ENGINE_*, PW_DEADLOCK, PW_CYCLE.
 */
export function createPlanner(module: Module, how: HowToEmit, numbers: { next: number }): Planner {
  const make = (
    entry: Entry,
    extra: readonly TensorRef[],
    nameOf: (ref: TensorRef) => string,
  ): readonly PlannedRound[] =>
    planEntry(module, entry, extra, fetchNames(entry, extra, nameOf), how).map((round) => ({
      plan: numbers.next++,
      round,
    }));
  const own = new Map(Object.values(module.entries).map((entry) => [entry.name, make(entry, [], () => '')]));
  const further = new Map<string, readonly PlannedRound[]>();
  const memory = new Map<string, Pick<SharedCollective, 'rows' | 'sum'>>();
  return {
    own: () => [...own.values()].flat(),
    rounds: (entry, extra, nameOf) => {
      if (extra.length === 0) return { rounds: own.get(entry.name) ?? [], isNew: false, dropped: [] };
      const key = JSON.stringify([entry.name, extra.map(({ node, port }) => [node, port])]);
      const found = further.get(key);
      const rounds = found ?? make(entry, extra, nameOf);
      // The last one used is the last one in the map.
      further.delete(key);
      further.set(key, rounds);
      return { rounds, isNew: found === undefined, dropped: dropOldest(further) };
    },
    share: (collective) => {
      const { name, dtype, shape, members } = collective;
      const key = JSON.stringify([name, dtype, shape, members.length]);
      const bytes = (elementCount(shape) ?? 0) * allocate(dtype, 0).BYTES_PER_ELEMENT;
      const found = memory.get(key) ?? {
        rows: new SharedArrayBuffer(bytes * members.length),
        sum: new SharedArrayBuffer(bytes),
      };
      memory.set(key, found);
      return { ...collective, ...found };
    },
  };
}

function dropOldest(plans: Map<string, readonly PlannedRound[]>): readonly PlannedRound[] {
  const [oldest] = plans;
  if (plans.size <= MAX_EXTRA || oldest === undefined) return [];
  plans.delete(oldest[0]);
  return oldest[1];
}

function planEntry(
  module: Module,
  entry: Entry,
  extra: readonly TensorRef[],
  names: readonly string[],
  how: HowToEmit,
): RoundPlan[] {
  const rounds = Math.max(entry.rounds.length, 1);
  return Array.from({ length: rounds }, (_, round) =>
    planRound({ module, entry, round, extra, names, hash, ...how }),
  );
}

/** Names of the entry's fetches, then of the further ones. Throws PW_FETCH_DUPLICATE. */
function fetchNames(entry: Entry, extra: readonly TensorRef[], nameOf: (ref: TensorRef) => string): string[] {
  const own = new Map(entry.fetches.map(({ name, tensor }) => [name, tensor]));
  const shown = extra.map((ref) => {
    const name = nameOf(ref);
    const other = own.get(name);
    if (other === undefined || (other.node === ref.node && other.port === ref.port)) return name;
    throw new PlacewrightError(
      'PW_FETCH_DUPLICATE',
      `two tensors would be fetched as ${JSON.stringify(name)}`,
      {
        hint: `rename the fetch of entry ${entry.name}`,
      },
    );
  });
  return [...own.keys(), ...shown];
}

function hash(model: Uint8Array): string {
  return createHash('sha1').update(model).digest('hex');
}
