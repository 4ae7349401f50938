import { type Bits, hasBit, noBits, setBit } from './bits.js';
import { instancesIn, type NetBuffer, type NetTask, type Place, roundAt, type SyncNet } from './net.js';
import { type Freeze, runNet } from './run.js';

/** Rounds in which takers are looked at: those before the first step, and those of the first steps. */
const STEPS_LOOKED_AT = 2;
const MOST_STEPS = 16;

/**
 * Buffers whose room is fought for, and may not suffice. Where a buffer has room for all that can be put into it before
 * its taker is ready, a put that finds no room waits for a taker that can run, so that no schedule hangs by it.
 */
export function tightBuffers(net: SyncNet): NetBuffer[] {
  const runs = new Map<string, Int32Array>();
  return net.buffers.filter((buffer, index) => {
    if (!buffer.contended || buffer.capacity === Number.POSITIVE_INFINITY) return false;
    const needed = Math.max(0, ...buffer.gets.flatMap((get) => heldBefore(net, index, buffer, get, runs)));
    return needed > buffer.capacity;
  });
}

/** Room that is needed while a taker is not ready, for each thing that it may be waiting for. */
function heldBefore(
  net: SyncNet,
  index: number,
  buffer: NetBuffer,
  get: Place,
  runs: Map<string, Int32Array>,
): number[] {
  const task = net.tasks[get.task];
  if (task === undefined) return [];
  const steps = Math.min(MOST_STEPS, buffer.capacity + 3);
  return instancesOf(task, get.round).flatMap((instance) =>
    awaited(net, task, get, instance).map(({ freeze, puts }) => {
      const key = JSON.stringify([steps, freeze.task, freeze.instance, freeze.blocked?.join() ?? '']);
      const levels = runs.get(key) ?? runNet(net, { steps, roomy: true, freezes: [freeze] }).levels;
      runs.set(key, levels);
      return (levels[index] ?? 0) + (puts === index ? 1 : 0);
    }),
  );
}

function instancesOf(task: NetTask, round: number): number[] {
  const all = Array.from({ length: instancesIn(task, STEPS_LOOKED_AT) }, (_, instance) => instance);
  return all.filter((instance) => roundAt(task, instance) === round);
}

interface Awaited {
  readonly freeze: Freeze;
  /** The buffer that it puts into itself. */
  readonly puts: number | null;
}

/** What a taker waits for beside its buffer: the end of the round before, and what comes before it in its own. */
function awaited(net: SyncNet, task: NetTask, get: Place, instance: number): Awaited[] {
  const round = net.tasks[get.task]?.rounds[get.round];
  const before = round?.before() ?? [];
  const out: Awaited[] = [{ freeze: { task: get.task, instance: instance - 1, blocked: null }, puts: null }];
  round?.transitions.forEach(({ action }, transition) => {
    if (!hasBit(before[get.transition] ?? noBits(0), transition)) return;
    const blocked = withAllAfter(before, transition);
    out.push({
      freeze: { task: get.task, instance, blocked },
      puts: action.kind === 'put' ? action.buffer : null,
    });
  });
  return task.rounds.length === 0 ? [] : out;
}

function withAllAfter(before: readonly Bits[], transition: number): Bits {
  const bits = noBits(before.length);
  setBit(bits, transition);
  before.forEach((all, after) => {
    if (hasBit(all, transition)) setBit(bits, after);
  });
  return bits;
}

/** Steps that a search for a hang goes through: as many as may fill the buffers. */
export function stepsToFill(tight: readonly NetBuffer[]): number {
  return Math.min(6, 2 + Math.max(0, ...tight.map(({ capacity }) => capacity)));
}
