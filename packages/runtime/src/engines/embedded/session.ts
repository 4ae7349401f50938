import {
  type Binding,
  checkFeeds,
  checkVariable,
  type DeviceName,
  dataFault,
  type EntryName,
  type LinkedModule,
  lookupEntry,
  type Module,
  type Node,
  PlacewrightError,
  type TensorValue,
  unknownVariable,
  type VariableResource,
} from '@placewright/ir';
import type { ClusterSession, LoadOptions, Session, SessionRunOptions } from '../../engine.js';
import { sessionClosed, uninitialized } from '../../names.js';
import { taskViews, type View, viewOf, wholeView } from '../../task-view.js';
import { type Core, install, startCore } from './core.js';
import { readState, writeState } from './state.js';
import { copyOf } from './store.js';
import { type Spawn, spawnThread } from './thread.js';

/** Loads a module: plans every entry, starts the workers and prepares the regions. Throws PW_ENGINE_*, PW_DEADLOCK. */
export async function loadSession(
  module: Module,
  options: LoadOptions = {},
  spawn: Spawn = spawnThread,
): Promise<Session> {
  const view = wholeView(module);
  const core = await startCore(module, [view], options, spawn);
  const own = createSession(core, view);
  return { ...own, close: () => core.close(sessionClosed()) };
}

/** Loads a linked cluster, each device one thread. Throws PW_ENGINE_*, PW_DEADLOCK. */
export async function loadClusterSession(
  linked: LinkedModule,
  options: LoadOptions = {},
  spawn: Spawn = spawnThread,
): Promise<ClusterSession> {
  const views = taskViews(linked);
  const core = await startCore(linked.module, views, options, spawn);
  const sessions = views.map((view) => createSession(core, view));
  return {
    bindings: bindingsOf(core),
    session: (task) => sessions[viewOf(views, task).task] as Session,
    takeTrace: () => core.runner.takeTrace(),
    close: () => core.close(sessionClosed()),
  };
}

function bindingsOf({ devices }: Core): Binding[] {
  return devices.map((device, i): Binding => ({ device, target: `cpu worker ${i}` }));
}

/** One caller's session; to close it ends no threads. */
function createSession(core: Core, view: View): Session {
  const { pool } = core;
  const { module } = view;
  let queue: Promise<unknown> = Promise.resolve();
  let closed = false;
  let steps = 0;
  /** Calls one after the other, with the process held while one is under way. */
  const serially = <T>(body: () => Promise<T>): Promise<T> => {
    const result = queue.then(async () => {
      if (closed || core.isClosed()) throw sessionClosed();
      return await core.held(body);
    });
    queue = result.catch(() => undefined);
    return result;
  };
  return {
    bindings: bindingsOf(core),
    run: (entry, feeds = new Map(), options = {}) =>
      serially(() => runEntry(core, view, () => steps++, { name: entry, feeds, options })),
    readVariables: (names) => serially(() => readVariables(core, view, names)),
    writeVariables: (values) => serially(() => writeVariables(core, view, values)),
    readState: () => serially(async () => view.toOwn(await readState(pool, module))),
    writeState: (state) => serially(async () => writeState(pool, module, view.fromOwn(state))),
    takeTrace: () => core.runner.takeTrace(),
    close: async () => {
      closed = true;
      core.runner.leave(view.task);
    },
  };
}

// Runs.

interface Call {
  readonly name: EntryName;
  readonly feeds: ReadonlyMap<string, TensorValue>;
  readonly options: SessionRunOptions;
}

async function runEntry(
  { pool, runner, planners }: Core,
  { task, module, findTensor, tensorName }: View,
  nextStep: () => number,
  { name, feeds, options }: Call,
): Promise<ReadonlyMap<string, TensorValue>> {
  const planner = planners[task] as Core['planners'][number];
  const entry = lookupEntry(module, name);
  const extra = (options.fetch ?? []).map(findTensor);
  const { rounds, isNew, dropped } = planner.rounds(entry, extra, tensorName);
  if (isNew) for (const planned of rounds) await install(pool, planned, planner);
  for (const { plan, round } of dropped) {
    for (const { device } of round.devices) pool.send(device, { kind: 'forget', plan });
  }
  const needed = rounds.flatMap(({ round }) => round.feeds.map(({ node }): Node => node));
  const fed = checkFeeds(module, entry, feeds, needed);
  const step = nextStep();
  let fetched: ReadonlyMap<string, TensorValue> = new Map();
  for (const { plan, round } of rounds) {
    const values = round.feeds.flatMap(({ node, at }) => {
      const value = fed.get(node.id);
      return value === undefined ? [] : [{ ...at, value: copyOf(value) }];
    });
    const devices = round.devices.map(({ device }) => device);
    fetched = await runner.run({ task, plan, step, entry: name, devices, feeds: values });
  }
  return fetched;
}

// Variables.

async function readVariables(
  { pool }: Core,
  { variables }: View,
  names?: readonly string[],
): Promise<ReadonlyMap<string, TensorValue>> {
  const wanted = names ?? [...variables.keys()];
  const found = wanted.map((shown) => {
    const { id, device } = variableNamed(variables, shown);
    return { shown, id, device };
  });
  const values = new Map<string, TensorValue>();
  await Promise.all(
    [...grouped(found)].map(async ([device, list]) => {
      const got = await pool.call(device, (call) => ({ kind: 'read', call, ids: list.map(({ id }) => id) }));
      list.forEach(({ shown }, i) => {
        const value = got[i];
        if (value !== null && value !== undefined) values.set(shown, value);
        else if (names !== undefined) throw uninitialized(shown);
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

function variableNamed(variables: View['variables'], name: string): VariableResource {
  const found = variables.get(name);
  if (found === undefined) throw unknownVariable(name, [...variables.keys()]);
  return found;
}

async function writeVariables(
  { pool }: Core,
  { variables }: View,
  values: ReadonlyMap<string, TensorValue>,
): Promise<void> {
  const items = [...values].map(([name, value]) => {
    const variable = variableNamed(variables, name);
    const fault = dataFault(value);
    if (fault !== undefined) {
      throw new PlacewrightError(
        'PW_VARIABLE_DATA',
        `the value for variable ${JSON.stringify(name)} ${fault}`,
      );
    }
    checkVariable(name, variable, value);
    return { id: variable.id, device: variable.device, value };
  });
  await Promise.all(
    [...grouped(items)].map(([device, list]) =>
      pool.call(device, (call) => ({ kind: 'write', call, values: list })),
    ),
  );
}
