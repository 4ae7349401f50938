import {
  type EntryName,
  type LinkedModule,
  type ModuleState,
  PlacewrightError,
  resourceName,
  type TensorValue,
  taskText,
  type VariableResource,
  variableNames,
} from '@placewright/ir';
import { asMap, type Named } from './feeds.js';
import type { Fetch, InterpreterOptions } from './load.js';
import {
  createMachine,
  dropFlight,
  type Flight,
  fire,
  type Item,
  itemView,
  type Machine,
  startFlight,
  takeReady,
  wake,
} from './machine.js';
import { type ReadySet, readySet, type Schedule } from './schedule.js';
import { emptyState, readState, restoreVariables, snapshotVariables, writeState } from './state.js';
import { type LoadedCluster, loadCluster, loadedTask, whoRuns } from './stepper.js';
import { deadlock, reasonsOf } from './waits.js';

export interface ClusterInterpreterOptions extends InterpreterOptions {
  /** One scheduler for the nodes of all runs under way: a seed tries orders that no cluster would be likely to show. */
  readonly schedule?: Schedule;
  /** How long runs may wait for a task that runs nothing; two minutes when left out. */
  readonly timeoutMs?: number;
}

/**
 * A linked cluster as its tasks see it: one state, runs of all tasks under way at once, nodes one at a time. Runs of one
 * task follow one another. Tasks go by their index in `LinkedModule.tasks`; null stands for all of them together: a run
 * of the joint entries, and all variables.
 */
export interface ClusterInterpreter {
  readonly linked: LinkedModule;
  /**
   * Runs an entry of a task and gives its fetches by name. A run that waits for another task's goes on with it. Rejects
   * with PW_DEADLOCK when every task that has not left waits, with PW_STEP_TIMEOUT when it waits too long for a task that
   * runs nothing, and as `Interpreter.run` throws.
   */
  run(
    task: number | null,
    entry: EntryName,
    feeds?: Named<TensorValue>,
    options?: { readonly fetch?: readonly Fetch[] },
  ): Promise<Map<string, TensorValue>>;
  /** Initialised variables of a task's graph by shown name, or of all by `variableNames`. Throws PW_LINK_TASK. */
  readVariables(task: number | null): Map<string, TensorValue>;
  /** Sets variables, all or none. Throws PW_LINK_TASK, PW_VARIABLE_*. */
  writeVariables(task: number | null, values: Named<TensorValue>): void;
  readState(): ModuleState;
  writeState(state: ModuleState): void;
  /** The task will run nothing any more: who waits for it is stuck. */
  leave(task: number): void;
  /** Ends what is under way, and all that would follow, with an error. */
  close(error: PlacewrightError): void;
}

const TIMEOUT_MS = 120_000;
/** Nodes that run before what else is to be done in this thread, such as timers, gets its turn. */
const SLICE = 256;

/** A run under way, and who waits for it. */
interface Pending {
  readonly task: number | null;
  readonly resolve: (fetches: Map<string, TensorValue>) => void;
  readonly reject: (error: unknown) => void;
}

interface Core {
  readonly cluster: LoadedCluster;
  readonly machine: Machine<ReadySet<Item>>;
  readonly timeoutMs: number;
  readonly pending: Map<Flight, Pending>;
  readonly left: Set<number>;
  nextRun: number;
  pumping: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
  closed: PlacewrightError | undefined;
}

/** Loads a linked cluster. Throws PW_KERNEL_MISSING. */
export function createClusterInterpreter(
  linked: LinkedModule,
  options: ClusterInterpreterOptions = {},
): ClusterInterpreter {
  const cluster = loadCluster(linked, options);
  const frame = { module: linked.module, state: emptyState(), kernels: cluster.joint.kernels };
  const machine = createMachine<ReadySet<Item>>(frame, readySet(options.schedule, itemView));
  const core: Core = {
    cluster,
    machine,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    pending: new Map(),
    left: new Set(),
    nextRun: 0,
    pumping: false,
    timer: undefined,
    closed: undefined,
  };
  const names = new Map<number | null, ReadonlyMap<string, VariableResource>>([
    [null, variableNames(linked.module)],
    ...linked.tasks.map((_, task) => [task, taskVariables(linked, task)] as const),
  ]);
  const named = (task: number | null): ReadonlyMap<string, VariableResource> => {
    loadedTask(cluster, task);
    return names.get(task) ?? new Map();
  };
  const queues = new Map<number | null, Promise<unknown>>();
  return {
    linked,
    run: (task, entry, feeds = {}, { fetch = [] } = {}) => {
      const result = (queues.get(task) ?? Promise.resolve()).then(() =>
        begin(core, task, entry, feeds, fetch),
      );
      queues.set(
        task,
        result.catch(() => undefined),
      );
      return result;
    },
    readVariables: (task) => snapshotVariables(named(task), machine.state),
    writeVariables: (task, values) => restoreVariables(named(task), machine.state, asMap(values)),
    readState: () => readState(linked.module, machine.state),
    writeState: (state) => {
      writeState(linked.module, machine.state, state);
      for (const id of state.buffers.keys()) wake(machine, id);
      pump(core);
    },
    leave: (task) => {
      core.left.add(task);
      pump(core);
    },
    close: (error) => {
      core.closed ??= error;
      endAll(core, error);
    },
  };
}

/** The variables of a task's graph by shown name. */
function taskVariables({ module, tasks }: LinkedModule, task: number): Map<string, VariableResource> {
  const own = new Map<string, VariableResource>();
  for (const id of tasks[task]?.resources.values() ?? []) {
    const resource = module.resources.get(id);
    if (resource?.kind === 'variable') own.set(resourceName(resource), resource);
  }
  return own;
}

function begin(
  core: Core,
  task: number | null,
  entry: EntryName,
  feeds: Named<TensorValue>,
  fetch: readonly Fetch[],
): Promise<Map<string, TensorValue>> {
  const { cluster, machine } = core;
  if (core.closed !== undefined) throw core.closed;
  const job = loadedTask(cluster, task).job(entry, feeds, fetch, whoRuns(cluster, task));
  const flight = startFlight(machine, core.nextRun++, job);
  return new Promise((resolve, reject) => {
    core.pending.set(flight, { task, resolve, reject });
    pump(core);
  });
}

/** Keeps nodes running, a slice at a time, until nothing can; whoever changes what can run calls it. */
function pump(core: Core): void {
  clearTimeout(core.timer);
  if (core.pumping) return;
  core.pumping = true;
  setImmediate(() => {
    core.pumping = false;
    if (slice(core)) pump(core);
    else if (core.pending.size > 0) stuck(core);
  });
}

/** Runs some nodes, up to the end of a run, so that whoever waited for it can begin the next; false when none could. */
function slice(core: Core): boolean {
  const { machine, pending } = core;
  for (let fired = 0; fired < SLICE; fired++) {
    if (settle(core)) return true;
    const item = takeReady(machine);
    if (item === undefined) return fired > 0;
    try {
      fire(machine, item);
    } catch (error) {
      fail(core, item.flight, error);
      return true;
    }
  }
  return pending.size > 0;
}

/** Resolves the runs that are done; whether there were any. */
function settle({ pending }: Core): boolean {
  let any = false;
  for (const [flight, { resolve }] of pending) {
    if (flight.result === null) continue;
    pending.delete(flight);
    resolve(new Map(flight.result));
    any = true;
  }
  return any;
}

function fail({ machine, pending }: Core, flight: Flight, error: unknown): void {
  dropFlight(machine, flight);
  const waiting = pending.get(flight);
  pending.delete(flight);
  waiting?.reject(error);
}

function endAll(core: Core, error: PlacewrightError): void {
  clearTimeout(core.timer);
  for (const flight of [...core.pending.keys()]) fail(core, flight, error);
}

/** Nothing can run: a deadlock, unless a task that runs nothing may still come. */
function stuck(core: Core): void {
  const { cluster, machine, pending, left, timeoutMs } = core;
  const running = new Set([...pending.values()].map(({ task }) => task));
  const { tasks } = cluster.linked;
  const missing = running.has(null)
    ? []
    : tasks.flatMap(({ task }, i) => (running.has(i) || left.has(i) ? [] : [taskText(task)]));
  const waiters = [...machine.parked.values()].flat();
  if (missing.length === 0) {
    const gone = [...left].flatMap((i) => taskText(tasks[i]?.task ?? { job: '', index: i }));
    endAll(
      core,
      gone.length === 0 ? deadlock(machine, waiters) : abandoned(deadlock(machine, waiters), gone),
    );
    return;
  }
  core.timer = setTimeout(() => endAll(core, late(core, waiters, missing)), timeoutMs);
}

function abandoned(error: PlacewrightError, gone: readonly string[]): PlacewrightError {
  return new PlacewrightError(error.code, `${error.message}; ${gone.join(', ')} will run nothing any more`, {
    where: error.where,
    hint: 'let all tasks take as many steps',
  });
}

function late(
  { machine, timeoutMs }: Core,
  waiters: readonly Item[],
  missing: readonly string[],
): PlacewrightError {
  const reasons = reasonsOf(machine, waiters);
  const [first] = reasons;
  const shown = reasons.slice(0, 8).map(({ text }) => text);
  return new PlacewrightError(
    'PW_STEP_TIMEOUT',
    `nothing has moved for ${timeoutMs} ms, and ${missing.join(', ')} runs nothing: ${shown.join('; ')}`,
    {
      where: first === undefined ? {} : { node: first.node },
      hint: 'run the same entry of every task, or close the session of a task that is done',
    },
  );
}
