import { availableParallelism } from 'node:os';
import {
  type Binding,
  builtinRegistry,
  checkFeeds,
  checkVariable,
  type DeviceName,
  dataFault,
  type EntryName,
  lookupEntry,
  type Module,
  type Node,
  PlacewrightError,
  type TensorValue,
  unknownVariable,
} from '@placewright/ir';
import type { LoadOptions, Session, SessionRunOptions } from '../../engine.js';
import { type FindTensor, sessionClosed, tensorFinder, uninitialized } from '../../names.js';
import { devicesOf } from '../../partition.js';
import { isHeavy } from '../../postpone.js';
import type { OwnEmitters } from './emit/region.js';
import { createPlanner, type PlannedRound, type Planner } from './planner.js';
import { type Pool, startPool } from './pool.js';
import type { ToWorker } from './protocol.js';
import { type NamedVariable, resourcesByDevice, variablesByName } from './resources.js';
import { createRunner, type Runner } from './runner.js';
import { readState, writeState } from './state.js';
import { copyOf } from './store.js';
import { checkSupport } from './support.js';
import { type Spawn, spawnThread } from './thread.js';

/** Beyond this a process would be threads and channels, and little else. */
export const MAX_WORKERS = 64;
const DEFAULT_TIMEOUT_MS = 120_000;
const NO_EMITTERS: OwnEmitters = new Map();

/** Loads a module: plans every entry, starts the workers and prepares the regions. Throws PW_ENGINE_*, PW_DEADLOCK. */
export async function loadSession(
  module: Module,
  options: LoadOptions = {},
  spawn: Spawn = spawnThread,
): Promise<Session> {
  const { registry = builtinRegistry, emitters = NO_EMITTERS, accumulate = 'float32' } = options;
  checkSupport(module, { registry, emitters });
  const devices = devicesOf(module);
  if (devices.length > MAX_WORKERS) {
    throw new PlacewrightError(
      'PW_ENGINE_DEVICES',
      `${devices.length} devices are more than ${MAX_WORKERS} threads`,
      { hint: 'compile for fewer devices' },
    );
  }
  const planner = createPlanner(module, { accumulate, emitters });
  const own = planner.own();
  const resources = resourcesByDevice(module);
  const threads = options.threadsPerDevice ?? threadsFor(own);
  const runner = createRunner({ devices, timeoutMs: options.stepTimeoutMs ?? DEFAULT_TIMEOUT_MS });
  const trace = options.trace ?? false;
  const pool = await startPool({
    spawn,
    devices,
    resources,
    threads,
    trace,
    onNews: runner.news,
    onCrash: runner.crash,
  });
  runner.attach(pool);
  try {
    for (const planned of own) await install(pool, planned, planner);
  } catch (error) {
    await pool.close();
    throw error;
  }
  pool.hold(false);
  return session({ module, findTensor: tensorFinder(module), devices, pool, runner, planner, resources });
}

interface Parts {
  readonly module: Module;
  readonly findTensor: FindTensor;
  readonly devices: readonly DeviceName[];
  readonly pool: Pool;
  readonly runner: Runner;
  readonly planner: Planner;
  readonly resources: ReturnType<typeof resourcesByDevice>;
}

function session(parts: Parts): Session {
  const { devices, pool, runner } = parts;
  let queue: Promise<unknown> = Promise.resolve();
  let closed: Promise<void> | undefined;
  /** Calls one after the other, with the process held while one is under way. */
  const serially = <T>(body: () => Promise<T>): Promise<T> => {
    const result = queue.then(async () => {
      if (closed !== undefined) throw sessionClosed();
      pool.hold(true);
      try {
        return await body();
      } finally {
        if (closed === undefined) pool.hold(false);
      }
    });
    queue = result.catch(() => undefined);
    return result;
  };
  return {
    bindings: devices.map((device, i): Binding => ({ device, target: `cpu worker ${i}` })),
    run: (entry, feeds = new Map(), options = {}) => serially(() => runEntry(parts, entry, feeds, options)),
    readVariables: (names) => serially(() => readVariables(parts, names)),
    writeVariables: (values) => serially(() => writeVariables(parts, values)),
    readState: () => serially(() => readState(pool, parts.module)),
    writeState: (state) => serially(() => writeState(pool, parts.module, state)),
    takeTrace: () => runner.takeTrace(),
    close: () => {
      runner.stop(sessionClosed());
      closed ??= pool.close();
      return closed;
    },
  };
}

async function install(pool: Pool, { plan, round }: PlannedRound, planner: Planner): Promise<void> {
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

// Runs.

async function runEntry(
  { module, findTensor, pool, runner, planner }: Parts,
  name: EntryName,
  feeds: ReadonlyMap<string, TensorValue>,
  options: SessionRunOptions,
): Promise<ReadonlyMap<string, TensorValue>> {
  const entry = lookupEntry(module, name);
  const extra = (options.fetch ?? []).map(findTensor);
  const { rounds, isNew, dropped } = planner.rounds(entry, extra);
  if (isNew) for (const planned of rounds) await install(pool, planned, planner);
  for (const { plan, round } of dropped) {
    for (const { device } of round.devices) pool.send(device, { kind: 'forget', plan });
  }
  const needed = rounds.flatMap(({ round }) => round.feeds.map(({ node }): Node => node));
  const fed = checkFeeds(module, entry, feeds, needed);
  const step = runner.nextStep();
  let fetched: ReadonlyMap<string, TensorValue> = new Map();
  for (const { plan, round } of rounds) {
    const values = round.feeds.flatMap(({ node, at }) => {
      const value = fed.get(node.id);
      return value === undefined ? [] : [{ ...at, value: copyOf(value) }];
    });
    fetched = await runner.run({
      plan,
      step,
      entry: name,
      devices: round.devices.map(({ device }) => device),
      feeds: values,
    });
  }
  return fetched;
}

// Variables.

async function readVariables(
  { pool, resources }: Parts,
  names?: readonly string[],
): Promise<ReadonlyMap<string, TensorValue>> {
  const named = variablesByName(resources);
  const wanted = names ?? [...named.keys()];
  const found = wanted.map((name) => ({
    name,
    ...namedVariable(named, name),
  }));
  const values = new Map<string, TensorValue>();
  await Promise.all(
    [...grouped(found)].map(async ([device, list]) => {
      const got = await pool.call(device, (call) => ({ kind: 'read', call, ids: list.map(({ id }) => id) }));
      list.forEach(({ name }, i) => {
        const value = got[i];
        if (value !== null && value !== undefined) values.set(name, value);
        else if (names !== undefined) throw uninitialized(name);
      });
    }),
  );
  // In the order asked for, whichever device answered first.
  return new Map(
    wanted.flatMap((name) => (values.has(name) ? [[name, values.get(name) as TensorValue] as const] : [])),
  );
}

function grouped<T extends { readonly device: DeviceName }>(items: readonly T[]): Map<DeviceName, T[]> {
  const out = new Map<DeviceName, T[]>();
  for (const item of items) {
    const list = out.get(item.device) ?? [];
    out.set(item.device, list);
    list.push(item);
  }
  return out;
}

function namedVariable(named: ReadonlyMap<string, NamedVariable>, name: string): NamedVariable {
  const found = named.get(name);
  if (found === undefined) throw unknownVariable(name, [...named.keys()]);
  return found;
}

async function writeVariables(
  { pool, resources }: Parts,
  values: ReadonlyMap<string, TensorValue>,
): Promise<void> {
  const named = variablesByName(resources);
  const items = [...values].map(([name, value]) => {
    const { id, device, info } = namedVariable(named, name);
    const fault = dataFault(value);
    if (fault !== undefined) {
      throw new PlacewrightError(
        'PW_VARIABLE_DATA',
        `the value for variable ${JSON.stringify(name)} ${fault}`,
      );
    }
    checkVariable(info.name, info, value);
    return { id, device, value };
  });
  await Promise.all(
    [...grouped(items)].map(([device, list]) =>
      pool.call(device, (call) => ({ kind: 'write', call, values: list })),
    ),
  );
}
