import { type DeviceName, PlacewrightError, type TensorValue } from '@placewright/ir';
import type { TraceEvent } from '../../trace.js';
import type { Pool, RunNews } from './pool.js';
import { type DeviceStatus, reviveError } from './protocol.js';

/** How often a run that takes long is asked whether it still moves. */
const PROBE_MS = 250;
/** How long after a failure the other devices may take to stop. */
const ABORT_MS = 30_000;

export interface RunRequest {
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

/** Runs plans on all devices, one at a time, and finds out when one ends: done, failed, stuck or late. */
export interface Runner {
  attach(pool: Pool): void;
  nextStep(): number;
  run(request: RunRequest): Promise<ReadonlyMap<string, TensorValue>>;
  news(device: DeviceName, news: RunNews): void;
  crash(error: PlacewrightError): void;
  /** Ends the run that is under way, and all later ones, with an error. */
  stop(error: PlacewrightError): void;
  takeTrace(): TraceEvent[];
}

/** A run under way. */
interface Current {
  readonly run: number;
  readonly request: RunRequest;
  /** Devices that have neither finished nor stopped. */
  readonly open: Set<DeviceName>;
  readonly fetched: Map<string, TensorValue>;
  readonly statuses: Map<DeviceName, DeviceStatus>;
  /** What the last round of answers said, to see whether anything has moved since. */
  lastTotals: string;
  error: PlacewrightError | undefined;
  readonly resolve: (values: ReadonlyMap<string, TensorValue>) => void;
  readonly reject: (error: PlacewrightError) => void;
  readonly timers: NodeJS.Timeout[];
}

export function createRunner(options: {
  readonly devices: readonly DeviceName[];
  readonly timeoutMs: number;
}): Runner {
  let pool: Pool | undefined;
  let current: Current | undefined;
  let broken: PlacewrightError | undefined;
  let trace: TraceEvent[] = [];
  let nextRun = 0;
  let nextStep = 0;

  const end = (run: Current): void => {
    for (const timer of run.timers) clearInterval(timer);
    current = undefined;
    if (run.error === undefined) run.resolve(run.fetched);
    else run.reject(run.error);
  };
  /** Stops the devices of a run that has failed; it ends when all have. */
  const abort = (run: Current, error: PlacewrightError): void => {
    if (run.error !== undefined) return;
    run.error = error;
    for (const device of run.request.devices) {
      run.open.add(device);
      pool?.send(device, { kind: 'abort', run: run.run });
    }
    run.timers.push(setTimeout(() => breakDown(error), ABORT_MS));
  };
  /** Gives the session up: its state is not known any more. */
  const breakDown = (error: PlacewrightError): void => {
    broken ??= error;
    if (current === undefined) return;
    current.error ??= error;
    end(current);
  };
  const late = (run: Current): void => {
    const error = timeoutError(run, options.timeoutMs);
    breakDown(error);
    void pool?.close();
  };

  return {
    attach: (attached) => {
      pool = attached;
    },
    nextStep: () => nextStep++,
    run: (request) => {
      if (broken !== undefined) return Promise.reject(broken);
      return new Promise((resolve, reject) => {
        const run = nextRun++;
        const timers: NodeJS.Timeout[] = [];
        current = {
          run,
          request,
          open: new Set(request.devices),
          fetched: new Map(),
          statuses: new Map(),
          lastTotals: '',
          error: undefined,
          resolve,
          reject,
          timers,
        };
        const started = current;
        if (started.open.size === 0) return end(started);
        timers.push(setTimeout(() => late(started), options.timeoutMs));
        timers.push(setInterval(() => probe(pool, started), PROBE_MS));
        begin(pool, started);
      });
    },
    news: (device, news) => {
      const run = current;
      if (run === undefined || run.run !== news.run) return;
      switch (news.kind) {
        case 'done':
          trace.push(...news.trace);
          for (const { name, value } of news.fetched) run.fetched.set(name, value);
          if (run.error === undefined) run.open.delete(device);
          break;
        case 'failed':
          abort(run, reviveError(news.error));
          break;
        case 'aborted':
          run.open.delete(device);
          break;
        case 'status':
          run.statuses.set(device, news.status);
          if (isStuck(run)) abort(run, deadlockError(run));
          break;
      }
      if (run.open.size === 0) end(run);
    },
    crash: breakDown,
    stop: breakDown,
    takeTrace: () => {
      const taken = trace;
      trace = [];
      return taken;
    },
  };
}

function begin(pool: Pool | undefined, { run, request }: Current): void {
  const { plan, step, entry, devices, feeds } = request;
  for (const device of devices) {
    const own = feeds.filter((feed) => feed.device === device).map(({ task, value }) => ({ task, value }));
    const moved = own.map(({ value }) => value.data.buffer as ArrayBuffer);
    pool?.send(device, { kind: 'run', run, plan, step, entry, feeds: own }, moved);
  }
}

function probe(pool: Pool | undefined, run: Current): void {
  if (run.error !== undefined) return;
  run.statuses.clear();
  for (const device of run.request.devices) pool?.send(device, { kind: 'status', run: run.run });
}

/**
 * Whether nothing will ever move: all devices are idle, no message is under way (as many were sent as received), and
 * nothing has changed since the round of answers before (Mattern 1987, counting twice).
 */
function isStuck(run: Current): boolean {
  const { devices } = run.request;
  if (run.error !== undefined || run.open.size === 0 || run.statuses.size < devices.length) return false;
  const statuses = [...run.statuses.values()];
  const sent = statuses.reduce((sum, status) => sum + status.sent, 0);
  const received = statuses.reduce((sum, status) => sum + status.received, 0);
  const totals = `${run.open.size} ${sent} ${received}`;
  const same = run.lastTotals === totals;
  run.lastTotals = statuses.every(({ idle }) => idle) && sent === received ? totals : '';
  return same && run.lastTotals === totals;
}

function reasons(run: Current): string {
  const all = [...run.statuses].flatMap(([device, status]) =>
    status.reasons.map(({ text }) => `${device}: ${text}`),
  );
  return all.length === 0 ? 'no device says what it waits for' : all.slice(0, 8).join('; ');
}

function deadlockError(run: Current): PlacewrightError {
  const waiting = [...run.statuses.values()].flatMap((status) => status.reasons.map(({ node }) => node));
  const node = waiting.find((name) => name !== '');
  return new PlacewrightError('PW_DEADLOCK', `no node can run: ${reasons(run)}`, {
    ...(node === undefined ? {} : { where: { node } }),
    hint: 'run warmUp before step to fill the staging areas, and check that each collective has all its members',
  });
}

function timeoutError(run: Current, timeoutMs: number): PlacewrightError {
  const silent = [...run.open].filter((device) => !run.statuses.has(device));
  const busy = silent.length === 0 ? '' : `; ${silent.join(', ')} is computing`;
  return new PlacewrightError(
    'PW_STEP_TIMEOUT',
    `entry ${run.request.entry} is not done after ${timeoutMs} ms: ${reasons(run)}${busy}`,
    {
      hint: 'give a longer stepTimeoutMs, or a smaller batch; the session is closed',
    },
  );
}
