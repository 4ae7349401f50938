import { availableParallelism } from 'node:os';
import { builtinRegistry, type DeviceName, type Module, PlacewrightError } from '@placewright/ir';
import type { LoadOptions } from '../../engine.js';
import { devicesOf } from '../../partition.js';
import { isHeavy } from '../../postpone.js';
import type { View } from '../../task-view.js';
import type { OwnEmitters } from './emit/region.js';
import { createPlanner, type PlannedRound, type Planner } from './planner.js';
import { type Pool, startPool } from './pool.js';
import type { ToWorker } from './protocol.js';
import { resourcesByDevice } from './resources.js';
import { createRunner, type Runner } from './runner.js';
import { checkSupport } from './support.js';
import type { Spawn } from './thread.js';

/** Beyond this a process would be threads and channels, and little else. */
export const MAX_WORKERS = 64;
const DEFAULT_TIMEOUT_MS = 120_000;
const NO_EMITTERS: OwnEmitters = new Map();

/** A loaded module: its devices' threads, and what runs on them. Several callers may share it, each with its own view. */
export interface Core {
  readonly module: Module;
  readonly devices: readonly DeviceName[];
  readonly pool: Pool;
  readonly runner: Runner;
  /** By the number of the view's task. */
  readonly planners: readonly Planner[];
  /** Keeps the process alive while `body` runs. */
  held<T>(body: () => Promise<T>): Promise<T>;
  /** Closes the threads, once. */
  close(error: PlacewrightError): Promise<void>;
  isClosed(): boolean;
}

/**
 * Plans the entries of all views, starts the threads and prepares the regions. `views` are of one module, in the order of
 * their tasks. Throws PW_ENGINE_*, PW_DEADLOCK.
 */
export async function startCore(
  module: Module,
  views: readonly View[],
  options: LoadOptions,
  spawn: Spawn,
): Promise<Core> {
  const { registry = builtinRegistry, emitters = NO_EMITTERS, accumulate = 'float32' } = options;
  for (const view of views) checkSupport(view.module, { registry, emitters });
  const devices = devicesOf(module);
  checkDevices(devices);
  const numbers = { next: 0 };
  const planners = views.map((view) => createPlanner(view.module, { accumulate, emitters }, numbers));
  const own = planners.map((planner) => planner.own());
  const runner = createRunner({
    devices,
    timeoutMs: options.stepTimeoutMs ?? DEFAULT_TIMEOUT_MS,
    tasks: views.map(({ who }) => who),
  });
  const pool = await startPool({
    spawn,
    devices,
    resources: resourcesByDevice(module),
    threads: options.threadsPerDevice ?? threadsFor(own.flat()),
    trace: options.trace ?? false,
    onNews: runner.news,
    onCrash: runner.crash,
  });
  runner.attach(pool);
  try {
    for (const [i, planner] of planners.entries()) {
      for (const planned of own[i] ?? []) await install(pool, planned, planner);
    }
  } catch (error) {
    await pool.close();
    throw error;
  }
  pool.hold(false);
  return { module, devices, pool, runner, planners, ...lifetime(pool, runner) };
}

function checkDevices(devices: readonly DeviceName[]): void {
  if (devices.length <= MAX_WORKERS) return;
  throw new PlacewrightError(
    'PW_ENGINE_DEVICES',
    `${devices.length} devices are more than ${MAX_WORKERS} threads`,
    { hint: 'compile for fewer devices' },
  );
}

function lifetime(pool: Pool, runner: Runner): Pick<Core, 'held' | 'close' | 'isClosed'> {
  let holders = 0;
  let closed: Promise<void> | undefined;
  const hold = (change: 1 | -1): void => {
    holders += change;
    if (closed === undefined) pool.hold(holders > 0);
  };
  return {
    held: async (body) => {
      hold(1);
      try {
        return await body();
      } finally {
        hold(-1);
      }
    },
    close: (error) => {
      runner.stop(error);
      closed ??= pool.close();
      return closed;
    },
    isClosed: () => closed !== undefined,
  };
}

/** Gives the workers a round and its models. */
export async function install(pool: Pool, { plan, round }: PlannedRound, planner: Planner): Promise<void> {
  const collectives = round.collectives.map((collective) => planner.share(collective));
  const calls = round.devices.map((device) => {
    const models = device.tasks.flatMap((task) => {
      const model = task.kind === 'region' ? round.models.get(task.model) : undefined;
      return task.kind === 'region' && model !== undefined ? [[task.model, model] as const] : [];
    });
    return pool.call(
      device.device,
      (call): ToWorker => ({ kind: 'install', call, plan, device, collectives, models }),
    );
  });
  await Promise.all(calls);
}

/** The cores shared among the devices that compute much at the same time. */
function threadsFor(rounds: readonly PlannedRound[]): number {
  const busy = new Set<DeviceName>();
  for (const { round } of rounds) {
    for (const { device, nodes } of round.regions) if (nodes.some(({ op }) => isHeavy(op))) busy.add(device);
  }
  return Math.max(1, Math.floor(availableParallelism() / Math.max(1, busy.size)));
}
