import {
  createClusterInterpreter,
  createInterpreter,
  type Interpreter,
  type InterpreterOptions,
} from '@placewright/interp';
import {
  type Binding,
  type LinkedModule,
  type Module,
  PlacewrightError,
  type TensorValue,
  unknownVariable,
} from '@placewright/ir';
import type { ClusterSession, LoadOptions, Session } from '../../engine.js';
import { sessionClosed, uninitialized } from '../../names.js';
import { devicesOf } from '../../partition.js';
import { taskViews, type View, viewOf, wholeView } from '../../task-view.js';

/** Loads a module. Throws PW_ENGINE_TRACE when a trace is asked for, PW_KERNEL_MISSING. */
export function loadReference(module: Module, options: LoadOptions): Session {
  refuseTrace(options);
  const { schedule } = options;
  const view = wholeView(module);
  const interpreter = createInterpreter(module, kernelsOf(options));
  let closed = false;
  const open = (): Interpreter => {
    if (!closed) return interpreter;
    throw sessionClosed();
  };
  return {
    bindings: bindingsOf(module),
    run: async (entry, feeds = new Map(), { fetch = [] } = {}) => {
      const refs = fetch.map(view.findTensor);
      const how = schedule === undefined ? {} : { schedule };
      return open().run(entry, feeds, { fetch: refs, ...how });
    },
    readVariables: async (names) => chosen(view, open().readVariables(), names),
    writeVariables: async (values) => open().writeVariables(values),
    readState: async () => open().readState(),
    writeState: async (state) => open().writeState(state),
    takeTrace: () => [],
    close: async () => {
      closed = true;
    },
  };
}

/** Loads a linked cluster, all of whose runs take turns in this thread. Throws as `loadReference`. */
export function loadReferenceCluster(linked: LinkedModule, options: LoadOptions): ClusterSession {
  refuseTrace(options);
  const views = taskViews(linked);
  const { stepTimeoutMs, schedule } = options;
  const cluster = createClusterInterpreter(linked, {
    ...kernelsOf(options),
    ...(schedule === undefined ? {} : { schedule }),
    ...(stepTimeoutMs === undefined ? {} : { timeoutMs: stepTimeoutMs }),
  });
  const bindings = bindingsOf(linked.module);
  const sessions = views.map((view): Session => {
    const { task, findTensor, tensorName } = view;
    let closed = false;
    const open = (): typeof cluster => {
      if (!closed) return cluster;
      throw sessionClosed();
    };
    return {
      bindings,
      run: async (entry, feeds = new Map(), { fetch = [] } = {}) => {
        const extra = fetch.map((text) => {
          const tensor = findTensor(text);
          return { name: tensorName(tensor), tensor };
        });
        return open().run(task, entry, feeds, { fetch: extra });
      },
      readVariables: async (names) => chosen(view, open().readVariables(task), names),
      writeVariables: async (values) => open().writeVariables(task, values),
      readState: async () => view.toOwn(open().readState()),
      writeState: async (state) => open().writeState(view.fromOwn(state)),
      takeTrace: () => [],
      close: async () => {
        closed = true;
        cluster.leave(task);
      },
    };
  });
  return {
    bindings,
    session: (task) => sessions[viewOf(views, task).task] as Session,
    takeTrace: () => [],
    close: async () => {
      await Promise.all(sessions.map((session) => session.close()));
      cluster.close(sessionClosed());
    },
  };
}

function refuseTrace({ trace = false }: LoadOptions): void {
  if (!trace) return;
  throw new PlacewrightError('PW_ENGINE_TRACE', 'the reference engine records no trace', {
    hint: 'trace a run of the embedded engine, or leave the trace out',
  });
}

function kernelsOf({ registry, kernels }: LoadOptions): InterpreterOptions {
  return {
    ...(registry === undefined ? {} : { registry }),
    ...(kernels === undefined ? {} : { kernels }),
  };
}

function bindingsOf(module: Module): Binding[] {
  return devicesOf(module).map((device): Binding => ({ device, target: 'the interpreter' }));
}

/** The named ones of the initialised variables, all of them when no names are given. */
function chosen(
  { variables }: View,
  values: ReadonlyMap<string, TensorValue>,
  names: readonly string[] | undefined,
): ReadonlyMap<string, TensorValue> {
  if (names === undefined) return values;
  return new Map(
    names.map((name) => {
      if (!variables.has(name)) throw unknownVariable(name, [...variables.keys()]);
      const value = values.get(name);
      if (value === undefined) throw uninitialized(name);
      return [name, value] as const;
    }),
  );
}
