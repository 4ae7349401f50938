import type { Node } from '../../graph.js';
import type { VerifyContext } from '../invariant.js';
import { addBits, type Bits, bitsKey, contains } from './bits.js';
import { type Sides, sidesIn } from './moments.js';
import { type NarrowNet, narrowing } from './narrow.js';
import { instancesIn, roundAt, type SyncNet } from './net.js';
import { type Freeze, type RunResult, runNet, type TaskState } from './run.js';
import { searchState } from './search.js';

/**
 * What a node of a round comes after and before of what can wait, a node that can wait with itself: nodes that have the
 * same are one to all others.
 */
export interface Moment {
  readonly task: number;
  /** Index into the task's rounds. */
  readonly round: number;
  readonly before: Bits;
  readonly after: Bits;
  /** Of those the nearest ones. */
  readonly near: readonly number[];
  readonly key: string;
}

/** A moment in one of the task's rounds, counted through its run. */
export interface Instant {
  readonly moment: Moment;
  readonly instance: number;
}

/** Two rounds in which either of two moments may come first. */
export interface Meeting {
  readonly at: readonly [Instant, Instant];
  /** What runs until both may come; null where that took too long to look for. */
  readonly run: Pick<RunResult, 'steps' | 'order'> | null;
}

/** What comes before what, in every schedule. */
export interface Orders {
  moment(task: number, round: number, node: Node): Moment;
  /** Whether the first has run whenever the second one runs. */
  isBefore(first: Instant, second: Instant): boolean;
  /** How two moments come in either order; null where they do not. */
  unordered(a: Moment, b: Moment): Meeting | null;
  /** The moment in the steps that are looked at, or in its one round before them. */
  instants(moment: Moment): readonly Instant[];
}

/**
 * Steps that tasks take in the runs asked, and those of them in which orders are looked at. Two accesses that are not
 * ordered are so in some step and the same or the next one: with d tokens on the way there and e back, they are ordered
 * if and only if d + e ≤ 1. The third step is what others may do meanwhile.
 */
const STEPS = 3;
const LOOKED_AT = 2;

/** All is asked of what lies near to the two first: what only that orders is ordered, and most is. */
export function createOrders(context: VerifyContext, net: SyncNet): Orders {
  const sides = sidesIn(context, net);
  const whole = questions({ net, restrict: (moment) => moment });
  const parts = new Map<string, Questions>();
  const narrow = narrowing(net);
  const near = (a: Moment, b: Moment): Questions => {
    const { key, make } = narrow([a, b]);
    const found = parts.get(key) ?? questions(make());
    parts.set(key, found);
    return found;
  };
  const instants = (moment: Moment): Instant[] => instantsOf(net, moment);
  return {
    moment: (task, round, node) => momentOf(sides, task, round, node),
    isBefore: (first, second) =>
      near(first.moment, second.moment).isBefore(first, second) || whole.isBefore(first, second),
    instants,
    unordered: (a, b) => {
      const [as, bs] = [instants(a), instants(b)];
      if (near(a, b).unordered(as, bs).length === 0) return null;
      return meetingAt(net, whole.unordered(as, bs));
    },
  };
}

function momentOf(sides: Sides, task: number, round: number, node: Node): Moment {
  const { before, after, near } = sides(task, round, node.id);
  const key = `${task} ${round} ${bitsKey(before)} ${bitsKey(after)}`;
  return { task, round, before, after, near, key };
}

function instantsOf({ tasks }: SyncNet, moment: Moment): Instant[] {
  const task = tasks[moment.task];
  if (task === undefined) return [];
  return Array.from({ length: instancesIn(task, LOOKED_AT) }, (_, instance) => instance)
    .filter((instance) => roundAt(task, instance) === moment.round)
    .map((instance) => ({ moment, instance }));
}

/** States that are looked at for a schedule in which two meet. */
const MOST_STATES = 5_000;

/**
 * The first of some instants that both come, with the room that buffers have. Where puts fight for room, two that nothing
 * else orders may still never meet.
 */
function meetingAt(net: SyncNet, all: readonly (readonly [Instant, Instant])[]): Meeting | null {
  for (const at of all) {
    const freezes = freezesOf(at);
    const isGoal = (tasks: readonly TaskState[]): boolean => at.every((instant) => hasCome(tasks, instant));
    const run = runNet(net, { steps: STEPS, record: true, freezes });
    if (isGoal(run.tasks)) return { at, run };
    const found = searchState(net, { steps: STEPS, freezes, mostStates: MOST_STATES, isGoal });
    if (found.kind === 'unknown') return { at, run: null };
    if (found.kind === 'found') return { at, run: { steps: STEPS, order: found.order } };
  }
  return null;
}

/** Holds back two moments, which may be of one round. */
function freezesOf([a, b]: readonly [Instant, Instant]): Freeze[] {
  const [first, second] = [a, b].map(({ moment: { task, after }, instance }) => ({
    ...{ task, instance },
    blocked: after.slice(),
  })) as [Freeze & { blocked: Bits }, Freeze & { blocked: Bits }];
  if (first.task !== second.task || first.instance !== second.instance) return [first, second];
  addBits(first.blocked, second.blocked);
  return [first];
}

/** Whether all that comes before a moment has run, in its round or because that is over. */
function hasCome(tasks: readonly TaskState[], { moment, instance }: Instant): boolean {
  const state = tasks[moment.task];
  if (state === undefined || state.instance < instance) return false;
  return state.instance > instance || contains(state.fired, moment.before);
}

/** Questions about one net. */
interface Questions {
  isBefore(first: Instant, second: Instant): boolean;
  /** Those of which either may come first, as far as the room of contended buffers does not matter. */
  unordered(as: readonly Instant[], bs: readonly Instant[]): readonly (readonly [Instant, Instant])[];
}

/**
 * With one of two held back, how far can the other come? No schedule takes away what another one waits for, so that one
 * run answers for all.
 */
function questions({ net, restrict }: NarrowNet): Questions {
  const runs = new Map<string, readonly TaskState[]>();
  const heldBack = ({ moment, instance }: Instant): readonly TaskState[] => {
    const { after } = restrict(moment);
    const key = `${moment.task} ${instance} ${bitsKey(after)}`;
    const known = runs.get(key);
    if (known !== undefined) return known;
    const freezes = [{ task: moment.task, instance, blocked: after }];
    const { tasks } = runNet(net, { steps: STEPS, roomy: true, freezes });
    runs.set(key, tasks);
    return tasks;
  };
  const mayPrecede = (first: Instant, second: Instant): boolean => {
    const { before, after } = restrict(first.moment);
    return hasCome(heldBack(second), { ...first, moment: { ...first.moment, before, after } });
  };
  return {
    isBefore: (first, second) => !mayPrecede(second, first),
    unordered: (as, bs) =>
      as.flatMap((a) =>
        bs.flatMap((b): (readonly [Instant, Instant])[] => {
          if (a.moment.task === b.moment.task && a.instance !== b.instance) return [];
          return mayPrecede(a, b) && mayPrecede(b, a) ? [[a, b]] : [];
        }),
      ),
  };
}
