import type { ClusterDraft, WorkerDraft } from './draft.js';
import type { Random } from './random.js';

/**
 * Adds to a cluster what some of its workers do together, soundly. `name` begins the names of all that it adds. Gives
 * what each worker has done by the end of its step, by the workers' order.
 */
export type Pattern = (draft: ClusterDraft, name: string, random: Random) => readonly (readonly number[])[];

/** Of synchronous `parameter_server`: all read, then all update, then all begin the next step. */
const gated: Pattern = (draft, name, random) => {
  const style = styleOf(random);
  const variable = draft.variable(`${name}v`, random);
  return draft.workers.map((worker) => {
    const read = worker.add('step', { kind: 'read', variable });
    const gate = draft.wait(`${name}gate`, style, worker, 'step', [read]);
    const update = worker.add('step', { kind: 'add', variable }, [read, gate]);
    return [draft.wait(`${name}end`, style, worker, 'step', [update, gate])];
  });
};

/** Of `distributed_replicated`: all update, then all read, then all begin the next step. */
const shadowed: Pattern = (draft, name, random) => {
  const style = styleOf(random);
  const variable = draft.variable(`${name}v`, random);
  return draft.workers.map((worker) => {
    if (random.chance(0.5)) worker.add('postInit', { kind: 'read', variable });
    const update = worker.add('step', { kind: 'add', variable });
    const all = draft.wait(`${name}all`, style, worker, 'step', [update]);
    const read = worker.add('step', { kind: 'read', variable }, [all]);
    return [draft.wait(`${name}end`, style, worker, 'step', [read])];
  });
};

/** All copy what they start from before any begins to train. */
const started: Pattern = (draft, name, random) => {
  const style = styleOf(random);
  const variable = draft.variable(`${name}v`, random);
  return draft.workers.map((worker) => {
    const read = worker.add('postInit', { kind: 'read', variable });
    draft.wait(`${name}start`, style, worker, 'postInit', [read]);
    return [worker.add('step', { kind: 'add', variable })];
  });
};

/** Asynchronous: all wait for each other once, and then read and update as they like. */
const free: Pattern = (draft, name, random) => {
  const variable = draft.variable(`${name}v`, random);
  const style = styleOf(random);
  return draft.workers.map((worker) => {
    draft.wait(`${name}begin`, style, worker, 'barrier', []);
    const read = worker.add('step', { kind: 'read', variable });
    return [worker.add('step', { kind: 'add', variable }, [read])];
  });
};

/** One writes and hands over, the next one reads and hands back, with some tuples under way. */
const handedOver: Pattern = (draft, name, random) => {
  const variable = draft.variable(`${name}v`, random);
  const capacity = 1 + random.below(2);
  const [there, back] = [draft.queue(`${name}there`, capacity), draft.queue(`${name}back`, capacity)];
  const writer = draft.workers[0] as WorkerDraft;
  const reader = random.pick(draft.workers) as WorkerDraft;
  if (random.chance(0.5)) writer.add('init', { kind: 'put', buffer: back });
  else writer.add('postInit', { kind: 'put', buffer: back });
  const free = writer.add('step', { kind: 'get', buffer: back, count: 1 });
  const write = writer.add('step', { kind: random.chance(0.5) ? 'assign' : 'add', variable }, [free]);
  const put = writer.add('step', { kind: 'put', buffer: there }, [write]);
  const got = reader.add('step', { kind: 'get', buffer: there, count: 1 });
  const read = reader.add('step', { kind: 'read', variable }, [got]);
  const done = reader.add('step', { kind: 'put', buffer: back }, [read]);
  return draft.workers.map((worker) => [
    ...(worker === writer ? [put] : []),
    ...(worker === reader ? [done] : []),
  ]);
};

/** Several put into the queue of one, with room that they may fight for. */
const gathered: Pattern = (draft, name, random) => {
  const count = draft.workers.length;
  const queue = draft.queue(`${name}queue`, count + random.below(2));
  const taker = random.pick(draft.workers) as WorkerDraft;
  const puts = draft.workers.map((worker) => worker.add('step', { kind: 'put', buffer: queue }));
  const waits = random.chance(0.3) ? [puts[taker.task] ?? 0] : [];
  const got = taker.add('step', { kind: 'get', buffer: queue, count }, waits);
  const done = draft.workers.map((worker) => [puts[worker.task] ?? 0, ...(worker === taker ? [got] : [])]);
  if (!random.chance(0.3)) return done;
  const style = styleOf(random);
  return draft.workers.map((worker, i) => [draft.wait(`${name}end`, style, worker, 'step', done[i] ?? [])]);
};

/** Each worker stages what it reads, and perhaps what it computes from that, and takes both a step later. */
const staged: Pattern = (draft, name, random) => {
  const variable = draft.variable(`${name}v`, random);
  const first = draft.area(`${name}a`, 2);
  const second = random.chance(0.4) ? draft.area(`${name}b`, 2) : null;
  const some = random.chance(0.5) ? draft.workers : draft.workers.slice(0, 1);
  return draft.workers.map((worker) => {
    if (!some.includes(worker)) return [];
    const read = worker.add('step', { kind: 'read', variable });
    const put = worker.add('step', { kind: 'put', buffer: first }, [read]);
    const get = worker.add('step', { kind: 'get', buffer: first, count: 1 });
    worker.warmUp.push([put]);
    if (second === null) return [put, get];
    const later = worker.add('step', { kind: 'put', buffer: second }, [get]);
    worker.warmUp.push([put, later]);
    return [put, worker.add('step', { kind: 'get', buffer: second, count: 1 })];
  });
};

/** Two towers of each worker take part in two collectives, in one order. */
const reduced: Pattern = (draft, name) =>
  draft.workers.slice(0, 1).map((worker) => {
    const members = ([0, 1] as const).map((tower) => {
      const first = worker.add('step', { kind: 'reduce', group: `${name}a`, tower });
      return worker.add('step', { kind: 'reduce', group: `${name}b`, tower }, [first]);
    });
    return members;
  });

const styleOf = (random: Random): 'barrier' | 'queues' => (random.chance(0.5) ? 'barrier' : 'queues');

export const PATTERNS: readonly Pattern[] = [
  gated,
  shadowed,
  started,
  free,
  handedOver,
  gathered,
  staged,
  reduced,
];
