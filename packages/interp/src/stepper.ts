import {
  type LinkedModule,
  PlacewrightError,
  type ResourceId,
  type TensorValue,
  taskText,
} from '@placewright/ir';
import type { ClusterStepper, ReadyNode, RunOutcome } from './cluster.js';
import type { Frame } from './compute.js';
import { type InterpreterOptions, type Loaded, loadModule } from './load.js';
import {
  createMachine,
  dropFlight,
  type Flight,
  fire,
  type Item,
  isWaiting,
  itemNode,
  itemView,
  type Machine,
  startFlight,
} from './machine.js';
import { type ReadyList, readyList, wrongChoice } from './schedule.js';
import { emptyState, readState, type State, writeState } from './state.js';
import { deadlock } from './waits.js';

/** A linked module with the jobs of each task, and the joint ones; made once for all steppers of it. */
export interface LoadedCluster {
  readonly linked: LinkedModule;
  readonly tasks: readonly Loaded[];
  readonly joint: Loaded;
}

/** Throws PW_KERNEL_MISSING. */
export function loadCluster(linked: LinkedModule, options: InterpreterOptions): LoadedCluster {
  return {
    linked,
    tasks: linked.tasks.map(({ entries }): Loaded => loadModule({ ...linked.module, entries }, options)),
    joint: loadModule(linked.module, options),
  };
}

/** The entries of a task, or with null the joint ones. Throws PW_LINK_TASK. */
export function loadedTask({ linked, tasks, joint }: LoadedCluster, task: number | null): Loaded {
  const found = task === null ? joint : tasks[task];
  if (found !== undefined) return found;
  throw new PlacewrightError('PW_LINK_TASK', `the cluster has no task number ${task}`, {
    hint: `its tasks are 0 to ${linked.tasks.length - 1}: ${linked.tasks.map(({ task: name }) => taskText(name)).join(', ')}`,
  });
}

/** How messages call the task of a run. */
export function whoRuns({ linked }: LoadedCluster, task: number | null): string {
  const found = task === null ? undefined : linked.tasks[task];
  return found === undefined ? 'all tasks' : taskText(found.task);
}

interface RunRecord {
  readonly task: number | null;
  readonly flight: Flight;
  readonly failed: PlacewrightError | null;
}

interface Steps {
  readonly cluster: LoadedCluster;
  readonly machine: Machine<ReadyList<Item>>;
  readonly runs: RunRecord[];
}

/** Steps a linked module by hand. Throws PW_KERNEL_MISSING. */
export function createClusterStepper(linked: LinkedModule, options: InterpreterOptions = {}): ClusterStepper {
  const cluster = loadCluster(linked, options);
  const frame: Frame = { module: linked.module, state: emptyState(), kernels: cluster.joint.kernels };
  return stepper({ cluster, machine: createMachine(frame, readyList(itemView.order)), runs: [] });
}

function stepper(steps: Steps): ClusterStepper {
  const { cluster, machine, runs } = steps;
  const { linked } = cluster;
  return {
    linked,
    start: (task, entry, feeds = {}) => {
      const job = loadedTask(cluster, task).job(entry, feeds, [], whoRuns(cluster, task));
      const id = runs.length;
      runs.push({ task, flight: startFlight(machine, id, job), failed: null });
      return id;
    },
    ready: () => readyItems(machine).map((item) => readyNode(runs, item)),
    waiting: () => waitingItems(machine).map((item) => readyNode(runs, item)),
    fire: (index) => fireItem(steps, index),
    get finished() {
      return machine.flights.size === 0;
    },
    outcome: (run) => outcomeOf(runs[run], run),
    deadlock: () => deadlock(machine, waitingItems(machine)),
    readState: () => readState(linked.module, machine.state),
    writeState: (state) => writeState(linked.module, machine.state, state),
    clone: () => stepper(copySteps(steps)),
    key: () => keyOf(steps),
  };
}

function readyItems(machine: Machine<ReadyList<Item>>): Item[] {
  return machine.ready.items.filter((item) => !isWaiting(machine, item));
}

function waitingItems(machine: Machine<ReadyList<Item>>): Item[] {
  return machine.ready.items.filter((item) => isWaiting(machine, item));
}

function readyNode(runs: readonly RunRecord[], item: Item): ReadyNode {
  const { id, job, round } = item.flight;
  return { run: id, task: runs[id]?.task ?? null, entry: job.entry, round, node: itemNode(item) };
}

function fireItem({ machine, runs }: Steps, index: number): void {
  const ready = readyItems(machine);
  const item = ready[index];
  if (item === undefined) throw wrongChoice(index, ready.length);
  machine.ready.takeAt(machine.ready.items.indexOf(item));
  try {
    fire(machine, item);
  } catch (error) {
    if (!(error instanceof PlacewrightError)) throw error;
    const { flight } = item;
    const record = runs[flight.id];
    if (record !== undefined) runs[flight.id] = { ...record, failed: error };
    dropFlight(machine, flight);
  }
}

function outcomeOf(record: RunRecord | undefined, run: number): RunOutcome {
  if (record === undefined) {
    throw new PlacewrightError('PW_SCHEDULE_RUN', `there is no run number ${run}`, {
      hint: 'give a number that start gave',
    });
  }
  if (record.failed !== null) return { kind: 'failed', error: record.failed };
  const { result } = record.flight;
  return result === null ? { kind: 'running' } : { kind: 'done', fetches: result };
}

// Copies.

function copySteps({ cluster, machine, runs }: Steps): Steps {
  const flights = new Map<Flight, Flight>();
  // Runs that are over do not change any more.
  for (const flight of machine.flights) flights.set(flight, copyFlight(flight));
  const copyItem = ({ flight, index, party }: Item): Item => ({
    flight: flights.get(flight) ?? flight,
    index,
    party: party === null ? null : party.map(copyItem),
  });
  const { module, kernels } = machine;
  const ready = readyList(itemView.order, machine.ready.items.map(copyItem));
  const copy = createMachine({ module, kernels, state: copyState(machine.state) }, ready);
  for (const flight of flights.values()) copy.flights.add(flight);
  for (const [barrier, items] of machine.arrivals) copy.arrivals.set(barrier, items.map(copyItem));
  return {
    cluster,
    machine: copy,
    runs: runs.map((record) => ({ ...record, flight: flights.get(record.flight) ?? record.flight })),
  };
}

function copyFlight(flight: Flight): Flight {
  const { values, waiting, uses, fired, arrived } = flight;
  return {
    ...flight,
    values: values.slice(),
    waiting: waiting.slice(),
    uses: uses.slice(),
    fired: fired.slice(),
    arrived: new Map(arrived),
  };
}

/** Values are immutable, and so are tuples. */
function copyState({ variables, areas }: State): State {
  return {
    variables: new Map(variables),
    areas: new Map([...areas].map(([id, tuples]) => [id, tuples.slice()])),
  };
}

// Keys.

function keyOf({ machine, runs }: Steps): string {
  const flights = [...machine.flights].map((flight) => [
    runs[flight.id]?.task ?? -1,
    flight.job.entry,
    flight.round,
    // A number for each run of nodes that have run, and of nodes that have not.
    lengthsOf(flight.fired),
    flight.values.map((outputs) => outputs?.map(valueKey) ?? 0),
  ]);
  return JSON.stringify([flights.map((flight) => JSON.stringify(flight)).sort(), stateKey(machine)]);
}

function lengthsOf(fired: Uint8Array): number[] {
  const lengths: number[] = [];
  let last = 0;
  let length = 0;
  for (const bit of fired) {
    if (bit !== last) {
      lengths.push(length);
      length = 0;
      last = bit;
    }
    length += 1;
  }
  return [...lengths, length];
}

function stateKey({ module, state }: Machine): unknown[] {
  const found: unknown[] = [];
  for (const id of module.resources.keys()) found.push(resourceKey(state, id));
  return found;
}

function resourceKey({ variables, areas }: State, id: ResourceId): unknown {
  const value = variables.get(id);
  return value === undefined
    ? (areas.get(id) ?? []).map((tuple: readonly TensorValue[]) => tuple.map(valueKey))
    : valueKey(value);
}

const keys = new WeakMap<TensorValue, string>();

/** Text of a tensor's bits. */
function valueKey(value: TensorValue): string {
  const known = keys.get(value);
  if (known !== undefined) return known;
  const { buffer, byteOffset, byteLength } = value.data;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const text = `${value.dtype}[${value.shape.join()}]${bytes.join()}`;
  keys.set(value, text);
  return text;
}
