import {
  type EntryName,
  isBuffer,
  type Module,
  type ModuleState,
  nodeName,
  nodeOf,
  resourceName,
  type TensorRef,
  type TensorValue,
  variableNames,
} from '@placewright/ir';
import type { Frame } from './compute.js';
import { asMap, type Named } from './feeds.js';
import { type InterpreterOptions, loadModule } from './load.js';
import { createMachine, fire, type Item, itemView, type Job, startFlight, takeReady } from './machine.js';
import { type ReadySet, readySet, type Schedule } from './schedule.js';
import {
  emptyState,
  readState,
  restoreVariables,
  type State,
  snapshotVariables,
  writeState,
} from './state.js';
import { deadlock } from './waits.js';

export type { InterpreterOptions } from './load.js';

export interface RunOptions {
  /** Tensors to give beside the entry's own fetches, by their shown name `tower_0/conv0/Conv2D:0`. */
  readonly fetch?: readonly TensorRef[];
  readonly schedule?: Schedule;
}

/** One loaded module with its variables and staging areas. Everything it takes or gives is copied. */
export interface Interpreter {
  /**
   * Runs the rounds of an entry, and gives its fetches by name. An error leaves the effects of what ran before it.
   * Throws PW_ENTRY_UNKNOWN, PW_FEED_*, PW_DEADLOCK, PW_KERNEL_*, PW_VARIABLE_*, PW_CYCLE.
   */
  run(entry: EntryName, feeds?: Named<TensorValue>, options?: RunOptions): Map<string, TensorValue>;
  /** Initialised variables by shown name. */
  readVariables(): Map<string, TensorValue>;
  /** Sets variables by shown name, all or none. Throws PW_VARIABLE_*. */
  writeVariables(values: Named<TensorValue>): void;
  /** Copies of all variables that have a value, and of what each staging area and queue holds. */
  readState(): ModuleState;
  /** Sets variables and what buffers hold, all or none; the rest stays. Throws PW_STATE_*, PW_VARIABLE_*. */
  writeState(state: ModuleState): void;
  /** Tuples in each staging area by its name. */
  stagingDepths(): Map<string, number>;
  /** Forgets all variables and staged values. */
  reset(): void;
}

/** Loads a module. Throws PW_KERNEL_MISSING with every op that its entries need and that has no kernel. */
export function createInterpreter(module: Module, options: InterpreterOptions = {}): Interpreter {
  const loaded = loadModule(module, options);
  const state = emptyState();
  const variables = variableNames(module);
  return {
    run: (name, feeds = {}, { fetch = [], schedule } = {}) => {
      const extra = fetch.map((tensor) => ({ name: shownName(module, tensor), tensor }));
      const job = loaded.job(name, feeds, extra, '');
      return runJob({ module, state, kernels: loaded.kernels }, job, schedule);
    },
    readVariables: () => snapshotVariables(variables, state),
    writeVariables: (values) => restoreVariables(variables, state, asMap(values)),
    readState: () => readState(module, state),
    writeState: (values) => writeState(module, state, values),
    stagingDepths: () => stagingDepths(module, state),
    reset() {
      state.variables.clear();
      state.areas.clear();
    },
  };
}

/** Runs a job to its end, alone. An error leaves the effects of what ran before it. */
function runJob(frame: Frame, job: Job, schedule: Schedule | undefined): Map<string, TensorValue> {
  const machine = createMachine<ReadySet<Item>>(frame, readySet(schedule, itemView));
  const flight = startFlight(machine, 0, job);
  while (flight.result === null) {
    const item = takeReady(machine);
    if (item === undefined) throw deadlock(machine, [...machine.parked.values()].flat());
    fire(machine, item);
  }
  return new Map(flight.result);
}

function shownName({ graph }: Module, { node, port }: TensorRef): string {
  return `${nodeName(nodeOf(graph, node))}:${port}`;
}

function stagingDepths(module: Module, state: State): Map<string, number> {
  const depths = new Map<string, number>();
  for (const resource of module.resources.values()) {
    if (isBuffer(resource)) depths.set(resourceName(resource), state.areas.get(resource.id)?.length ?? 0);
  }
  return depths;
}
