import { builtinKernels, createInterpreter, type Interpreter } from '@placewright/interp';
import {
  type Binding,
  builtinOps,
  type Module,
  PlacewrightError,
  type TensorValue,
  unknownVariable,
  variableNames,
} from '@placewright/ir';
import type { Engine, LoadOptions, Session } from '../../engine.js';
import { sessionClosed, tensorFinder, uninitialized } from '../../names.js';
import { devicesOf } from '../../partition.js';

export type { Kernel, KernelContext } from '@placewright/interp';

const INTERPRETED = 'interpreted';

/** The interpreter, node by node in this thread: slow, and what every other engine is measured against. */
export const referenceEngine: Engine = {
  name: 'reference',
  summary: 'the plain interpreter, the oracle: any module, one thread, slow',
  probe: async () => ({ available: true, details: [{ name: 'interpreter', status: 'available' }] }),
  ops: () =>
    Object.keys(builtinOps).map((op) => ({
      op,
      how: op in builtinKernels ? INTERPRETED : 'interpreted: state',
    })),
  load: async (module, options = {}) => loadReference(module, options),
};

/** Throws PW_ENGINE_TRACE when a trace is asked for. */
function loadReference(module: Module, { registry, kernels, trace = false }: LoadOptions): Session {
  if (trace) {
    throw new PlacewrightError('PW_ENGINE_TRACE', 'the reference engine records no trace', {
      hint: 'trace a run of the embedded engine, or leave the trace out',
    });
  }
  const interpreter = createInterpreter(module, {
    ...(registry === undefined ? {} : { registry }),
    ...(kernels === undefined ? {} : { kernels }),
  });
  const findTensor = tensorFinder(module);
  let closed = false;
  const open = (): Interpreter => {
    if (!closed) return interpreter;
    throw sessionClosed();
  };
  return {
    bindings: devicesOf(module).map((device): Binding => ({ device, target: 'the interpreter' })),
    run: async (entry, feeds = new Map(), { fetch = [] } = {}) => {
      const refs = fetch.map(findTensor);
      return open().run(entry, feeds, { fetch: refs });
    },
    readVariables: async (names) => chosen(module, open().readVariables(), names),
    writeVariables: async (values) => open().writeVariables(values),
    readState: async () => open().readState(),
    writeState: async (state) => open().writeState(state),
    takeTrace: () => [],
    close: async () => {
      closed = true;
    },
  };
}

/** The named ones of the initialised variables, all of them when no names are given. */
function chosen(
  module: Module,
  values: ReadonlyMap<string, TensorValue>,
  names: readonly string[] | undefined,
): ReadonlyMap<string, TensorValue> {
  if (names === undefined) return values;
  const known = [...variableNames(module).keys()];
  return new Map(
    names.map((name) => {
      if (!known.includes(name)) throw unknownVariable(name, known);
      const value = values.get(name);
      if (value === undefined) throw uninitialized(name);
      return [name, value] as const;
    }),
  );
}
