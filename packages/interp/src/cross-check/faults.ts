import type { Random } from './random.js';
import { type Act, type ClusterSpec, ROUNDS, type RoundName, type Step, type WorkerSpec } from './spec.js';

/** Puts a fault into a cluster, somewhere; null where it has no place for it. It need not do harm. */
type Fault = (spec: ClusterSpec, random: Random) => ClusterSpec | null;

interface Spot {
  readonly task: number;
  readonly round: RoundName;
  readonly place: number;
  readonly step: Step;
}

function spots({ workers }: ClusterSpec, rounds: readonly RoundName[] = ROUNDS): Spot[] {
  return workers.flatMap((worker, task) =>
    rounds.flatMap((round) => worker[round].map((step, place): Spot => ({ task, round, place, step }))),
  );
}

function withStep(spec: ClusterSpec, { task, round, place }: Spot, change: Partial<Step>): ClusterSpec {
  const list =
    spec.workers[task]?.[round].map((step, i) => (i === place ? { ...step, ...change } : step)) ?? [];
  return withWorker(spec, task, { [round]: list });
}

function withWorker(spec: ClusterSpec, task: number, change: Partial<WorkerSpec>): ClusterSpec {
  return {
    ...spec,
    workers: spec.workers.map((worker, i) => (i === task ? { ...worker, ...change } : worker)),
  };
}

const PASS: Act = { kind: 'pass' };

/** An edge is missing. */
const missingEdge: Fault = (spec, random) => {
  const spot = random.pick(spots(spec).filter(({ step }) => step.after.length > 0));
  const edge = random.pick(spot?.step.after ?? []);
  if (spot === undefined || edge === undefined) return null;
  return withStep(spec, spot, { after: spot.step.after.filter((place) => place !== edge) });
};

/** An edge too many, between nodes that have none. */
const extraEdge: Fault = (spec, random) => {
  const spot = random.pick(spots(spec).filter(({ place, step }) => step.after.length < place));
  if (spot === undefined) return null;
  const others = Array.from({ length: spot.place }, (_, i) => i).filter((i) => !spot.step.after.includes(i));
  const edge = random.pick(others);
  return edge === undefined
    ? null
    : withStep(spec, spot, { after: [...spot.step.after, edge].sort((a, b) => a - b) });
};

const isToken = ({ act }: Step): boolean => act.kind === 'put' || act.kind === 'get' || act.kind === 'meet';

/** Something is not put, not taken, or does not come to its barrier. */
const missingToken: Fault = (spec, random) => {
  const spot = random.pick(spots(spec).filter(({ step }) => isToken(step)));
  return spot === undefined ? null : withStep(spec, spot, { act: PASS });
};

/** Something more is put before the first step. */
const extraToken: Fault = (spec, random) => {
  const queue = random.pick([...spec.buffers].filter(([, { kind }]) => kind === 'queue'));
  if (queue === undefined) return null;
  const task = random.below(spec.workers.length);
  const list = spec.workers[task]?.postInit ?? [];
  return withWorker(spec, task, {
    postInit: [...list, { act: { kind: 'put', buffer: queue[0] }, after: [] }],
  });
};

/** One worker does two things in the other order. */
const swapped: Fault = (spec, random) => {
  const spot = random.pick(spots(spec).filter(({ step }) => isToken(step) || step.act.kind === 'reduce'));
  if (spot === undefined) return null;
  const alike = spots(spec, [spot.round]).filter(
    ({ task, place, step }) =>
      task === spot.task && place !== spot.place && step.act.kind === spot.step.act.kind,
  );
  const other = random.pick(alike);
  if (other === undefined) return null;
  return withStep(withStep(spec, spot, { act: other.step.act }), other, { act: spot.step.act });
};

/** A buffer has less room. */
const smallCapacity: Fault = (spec, random) => {
  const found = random.pick(
    [...spec.buffers].filter(([name, { capacity }]) => capacity > mostTaken(spec, name)),
  );
  if (found === undefined) return null;
  const [name, buffer] = found;
  return {
    ...spec,
    buffers: new Map([...spec.buffers, [name, { ...buffer, capacity: buffer.capacity - 1 }]]),
  };
};

/** Tuples that are taken from a buffer at once: it must have room for them. */
function mostTaken(spec: ClusterSpec, name: string): number {
  const counts = spots(spec).map(({ step: { act } }) =>
    act.kind === 'get' && act.buffer === name ? act.count : 1,
  );
  return Math.max(1, ...counts);
}

/** A barrier waits for one more than come, or for none, or a take for a tuple less. */
const wrongCount: Fault = (spec, random) => {
  const barrier = random.pick([...spec.barriers]);
  if (barrier !== undefined && random.chance(0.5)) {
    const [name, parties] = barrier;
    // Fewer than come, but more than one, would be a choice, which the verifier refuses as such.
    const count = parties <= 2 && random.chance(0.3) ? 1 : parties + 1;
    return { ...spec, barriers: new Map([...spec.barriers, [name, count]]) };
  }
  const spot = random.pick(spots(spec).filter(({ step: { act } }) => act.kind === 'get' && act.count > 1));
  if (spot === undefined || spot.step.act.kind !== 'get') return null;
  return withStep(spec, spot, { act: { ...spot.step.act, count: spot.step.act.count - 1 } });
};

/** An update becomes an assignment. */
const assigned: Fault = (spec, random) => {
  const spot = random.pick(spots(spec, ['step']).filter(({ step }) => step.act.kind === 'add'));
  if (spot?.step.act.kind !== 'add') return null;
  return withStep(spec, spot, { act: { kind: 'assign', variable: spot.step.act.variable } });
};

/** A round of a warm-up is missing. */
const cold: Fault = (spec, random) => {
  const tasks = spec.workers.flatMap(({ warmUp }, task) => (warmUp.length > 0 ? [task] : []));
  const task = random.pick(tasks);
  if (task === undefined) return null;
  const warmUp = spec.workers[task]?.warmUp ?? [];
  const gone = random.below(warmUp.length);
  return withWorker(spec, task, { warmUp: warmUp.filter((_, i) => i !== gone) });
};

export const FAULTS: ReadonlyMap<string, Fault> = new Map([
  ['missing edge', missingEdge],
  ['extra edge', extraEdge],
  ['missing token', missingToken],
  ['extra token', extraToken],
  ['swapped', swapped],
  ['small capacity', smallCapacity],
  ['wrong count', wrongCount],
  ['assigned', assigned],
  ['no warm-up', cold],
]);
