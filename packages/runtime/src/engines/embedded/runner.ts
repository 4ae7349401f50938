import { type DeviceName, PlacewrightError, type TensorValue } from '@placewright/ir';
import type { TraceEvent } from '../../trace.js';
import type { Pool, RunNews } from './pool.js';
import { type DeviceStatus, reviveError } from './protocol.js';

/** How often runs that take long are asked whether they still move. */
const PROBE_MS = 250;
/** How long after a failure the other devices may take to stop. */
const ABORT_MS = 30_000;
const SHOWN = 8;

export interface RunRequest {
  /** Number of the task that runs it. */
  readonly task: number;
  readonly plan: number;
  readonly step: number;
  readonly entry: TraceEvent['entry'];
  readonly devices: readonly DeviceName[];
  readonly feeds: readonly {
    readonly device: DeviceName;
    readonly task: number;
    readonly value: TensorValue;
  }[];
}

/** Runs plans on all devices, those of several tasks at once, and finds out when one ends: done, failed, stuck or late. */
export interface Runner {
  attach(pool: Pool): void;
  /** Rejects with what a device reports, PW_DEADLOCK, PW_STEP_TIMEOUT, and what the session was stopped with. */
  run(request: RunRequest): Promise<ReadonlyMap<string, TensorValue>>;
  news(device: DeviceName, news: RunNews): void;
  crash(error: PlacewrightError): void;
  /** Ends the runs that are under way, and all later ones, with an error. */
  stop(error: PlacewrightError): void;
  /** The task will run nothing any more: who waits for it is stuck. */
  leave(task: number): void;
  takeTrace(): TraceEvent[];
}

export interface RunnerOptions {
  readonly devices: readonly DeviceName[];
  readonly timeoutMs: number;
  /** How messages call each task, by its number; an empty name where there is nobody else. */
  readonly tasks: readonly string[];
}

/** A run under way. */
interface Current {
  readonly run: number;
  readonly request: RunRequest;
  /** Devices that have neither finished nor stopped. */
  readonly open: Set<DeviceName>;
  readonly fetched: Map<string, TensorValue>;
  error: PlacewrightError | undefined;
  readonly resolve: (values: ReadonlyMap<string, TensorValue>) => void;
  readonly reject: (error: PlacewrightError) => void;
  /** When it is given up, and how long it may take to stop. */
  timer: NodeJS.Timeout | undefined;
}

/** One round of questions to all devices. */
interface Wave {
  readonly probe: number;
  readonly statuses: Map<DeviceName, DeviceStatus>;
}

interface State {
  readonly options: RunnerOptions;
  readonly runs: Map<number, Current>;
  readonly left: Set<number>;
  pool: Pool | undefined;
  broken: PlacewrightError | undefined;
  trace: TraceEvent[];
  nextRun: number;
  wave: Wave;
  /** What the last complete wave said, to see whether anything has moved since; empty when something had. */
  lastTotals: string;
  prober: NodeJS.Timeout | undefined;
}

export function createRunner(options: RunnerOptions): Runner {
  const state: State = {
    options,
    runs: new Map(),
    left: new Set(),
    pool: undefined,
    broken: undefined,
    trace: [],
    nextRun: 0,
    wave: { probe: 0, statuses: new Map() },
    lastTotals: '',
    prober: undefined,
  };
  return {
    attach: (pool) => {
      state.pool = pool;
    },
    run: (request) => (state.broken === undefined ? start(state, request) : Promise.reject(state.broken)),
    news: (device, news) => receive(state, device, news),
    crash: (error) => breakDown(state, error),
    stop: (error) => breakDown(state, error),
    leave: (task) => {
      state.left.add(task);
    },
    takeTrace: () => state.trace.splice(0),
  };
}

function start(state: State, request: RunRequest): Promise<ReadonlyMap<string, TensorValue>> {
  return new Promise((resolve, reject) => {
    const current: Current = {
      run: state.nextRun++,
      request,
      open: new Set(request.devices),
      fetched: new Map(),
      error: undefined,
      resolve,
      reject,
      timer: undefined,
    };
    state.runs.set(current.run, current);
    state.lastTotals = '';
    if (current.open.size === 0) return end(state, current);
    limit(state, current);
    state.prober ??= setInterval(() => probe(state), PROBE_MS);
    begin(state.pool, current);
  });
}

function begin(pool: Pool | undefined, { run, request }: Current): void {
  const { plan, step, entry, devices, feeds } = request;
  for (const device of devices) {
    const own = feeds.filter((feed) => feed.device === device).map(({ task, value }) => ({ task, value }));
    const moved = own.map(({ value }) => value.data.buffer as ArrayBuffer);
    pool?.send(device, { kind: 'run', run, plan, step, entry, feeds: own }, moved);
  }
}

/** Gives a run its time, anew whenever another has ended: then all that may have waited for that goes on. */
function limit(state: State, current: Current): void {
  clearTimeout(current.timer);
  current.timer = setTimeout(() => late(state, current), state.options.timeoutMs);
}

function receive(state: State, device: DeviceName, news: RunNews): void {
  if (news.kind === 'status') {
    if (news.probe === state.wave.probe) answer(state, device, news.status);
    return;
  }
  const current = state.runs.get(news.run);
  if (current === undefined) return;
  switch (news.kind) {
    case 'done':
      state.trace.push(...named(state, current, news.trace));
      for (const { name, value } of news.fetched) current.fetched.set(name, value);
      if (current.error === undefined) current.open.delete(device);
      break;
    case 'failed':
      abort(state, current, reviveError(news.error));
      break;
    case 'aborted':
      current.open.delete(device);
      break;
  }
  if (current.open.size === 0) end(state, current);
}

/** Trace events with their task, where there are several. */
function named(
  { options }: State,
  { request }: Current,
  events: readonly TraceEvent[],
): readonly TraceEvent[] {
  const task = options.tasks[request.task] ?? '';
  return task === '' ? events : events.map((event) => ({ ...event, task }));
}

function end(state: State, current: Current): void {
  clearTimeout(current.timer);
  state.runs.delete(current.run);
  state.lastTotals = '';
  if (state.runs.size === 0) {
    clearInterval(state.prober);
    state.prober = undefined;
  }
  for (const other of state.runs.values()) if (other.error === undefined) limit(state, other);
  if (current.error === undefined) current.resolve(current.fetched);
  else current.reject(current.error);
}

/** Stops the devices of a run that has failed; it ends when all have. */
function abort(state: State, current: Current, error: PlacewrightError): void {
  if (current.error !== undefined) return;
  current.error = error;
  clearTimeout(current.timer);
  for (const device of current.request.devices) {
    current.open.add(device);
    state.pool?.send(device, { kind: 'abort', run: current.run });
  }
  current.timer = setTimeout(() => breakDown(state, error), ABORT_MS);
}

/** Gives the session up: its state is not known any more. */
function breakDown(state: State, error: PlacewrightError): void {
  state.broken ??= error;
  for (const current of [...state.runs.values()]) {
    current.error ??= error;
    end(state, current);
  }
}

// Whether anything moves.

function probe(state: State): void {
  const { devices } = state.options;
  state.wave = { probe: state.wave.probe + 1, statuses: new Map() };
  for (const device of devices) state.pool?.send(device, { kind: 'status', probe: state.wave.probe });
}

function answer(state: State, device: DeviceName, status: DeviceStatus): void {
  const { statuses } = state.wave;
  statuses.set(device, status);
  if (statuses.size < state.options.devices.length || !isStill(state)) return;
  // A task that runs nothing may still come, and with it what the others wait for.
  if (missingTasks(state).length > 0) return;
  const error = deadlockError(state);
  for (const current of [...state.runs.values()]) abort(state, current, error);
}

/**
 * Whether nothing will move by itself: all devices have begun all runs and are idle, no message is under way (as many
 * were sent as received), and nothing has changed since the round of answers before (Mattern 1987, counting twice).
 */
function isStill(state: State): boolean {
  const runs = [...state.runs.values()].filter(({ error }) => error === undefined);
  const { statuses } = state.wave;
  const begun = ({ run, open }: Current): boolean =>
    [...open].every((device) => statuses.get(device)?.runs.some((other) => other.run === run) ?? false);
  const all = [...statuses.values()];
  const sent = all.reduce((sum, status) => sum + status.sent, 0);
  const received = all.reduce((sum, status) => sum + status.received, 0);
  const still = runs.length > 0 && runs.every(begun) && all.every(({ idle }) => idle) && sent === received;
  const totals = still ? `${runs.map(({ run, open }) => `${run}:${open.size}`).join(' ')} ${sent}` : '';
  const same = still && state.lastTotals === totals;
  state.lastTotals = totals;
  return same;
}

/** Tasks that run nothing, and have not left. */
function missingTasks({ options, runs, left }: State): string[] {
  const running = new Set([...runs.values()].map(({ request }) => request.task));
  return options.tasks.filter((_, task) => !running.has(task) && !left.has(task));
}

interface Reason {
  readonly node: string;
  readonly text: string;
}

/** What runs wait for, one reason of each run and device after the other, so that a short list names many. */
function reasons({ options, runs, wave }: State): Reason[] {
  const lists = [...runs.values()].map(({ run, request }) => {
    const who = options.tasks[request.task] ?? '';
    return [...wave.statuses].flatMap(([device, status]) =>
      (status.runs.find((other) => other.run === run)?.reasons ?? []).map(({ node, text }) => ({
        node,
        text: who === '' ? `${device}: ${text}` : `${who} (${request.entry}) on ${device}: ${text}`,
      })),
    );
  });
  // Those that name a node wait for a resource or for members, and the others for them.
  const ordered = lists.map((list) => [...list.filter(isCause), ...list.filter((each) => !isCause(each))]);
  const longest = Math.max(0, ...ordered.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => ordered.flatMap((list) => list[i] ?? [])).flat();
}

const isCause = ({ node }: Reason): boolean => node !== '';

function reasonText(all: readonly Reason[]): string {
  if (all.length === 0) return 'no device says what it waits for';
  return all
    .slice(0, SHOWN)
    .map(({ text }) => text)
    .join('; ');
}

function deadlockError(state: State): PlacewrightError {
  const all = reasons(state);
  const node = all.find(isCause)?.node;
  const gone = [...state.left].map((task) => state.options.tasks[task] ?? '');
  const after = gone.length === 0 ? '' : `; ${gone.join(', ')} will run nothing any more`;
  return new PlacewrightError('PW_DEADLOCK', `no node can run: ${reasonText(all)}${after}`, {
    ...(node === undefined ? {} : { where: { node } }),
    hint:
      gone.length === 0
        ? 'run warmUp before step to fill the staging areas, and check that each collective has all its members'
        : 'let all tasks take as many steps',
  });
}

/** Runs that only wait for a task which does not come are given up; one that computes takes the session with it. */
function late(state: State, current: Current): void {
  const missing = missingTasks(state);
  if (state.lastTotals !== '' && missing.length > 0) {
    const error = absentError(state, missing);
    for (const waiting of [...state.runs.values()]) abort(state, waiting, error);
    return;
  }
  breakDown(state, timeoutError(state, current));
  void state.pool?.close();
}

function absentError(state: State, missing: readonly string[]): PlacewrightError {
  const all = reasons(state);
  const node = all.find(isCause)?.node;
  return new PlacewrightError(
    'PW_STEP_TIMEOUT',
    `nothing has moved for ${state.options.timeoutMs} ms, and ${missing.join(', ')} runs nothing: ${reasonText(all)}`,
    {
      ...(node === undefined ? {} : { where: { node } }),
      hint: 'run the same entry of every task, or close the session of a task that is done',
    },
  );
}

function timeoutError(state: State, { request, open }: Current): PlacewrightError {
  const { statuses } = state.wave;
  const { tasks, timeoutMs } = state.options;
  const silent = [...open].filter((device) => !statuses.has(device));
  const busy = silent.length === 0 ? '' : `; ${silent.join(', ')} is computing`;
  const who = tasks[request.task] ?? '';
  return new PlacewrightError(
    'PW_STEP_TIMEOUT',
    `entry ${request.entry}${who === '' ? '' : ` of ${who}`} is not done after ${timeoutMs} ms: ${reasonText(reasons(state))}${busy}`,
    {
      hint: 'give a longer stepTimeoutMs, or a smaller batch; the session is closed',
    },
  );
}
