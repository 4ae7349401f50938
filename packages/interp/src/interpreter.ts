import {
  builtinRegistry,
  ENTRY_NAMES,
  type Entry,
  type EntryName,
  entryNodes,
  isBuffer,
  lookupEntry,
  type Module,
  type ModuleState,
  type Node,
  nodeName,
  nodeOf,
  type OpRegistry,
  PlacewrightError,
  resourceName,
  type TensorRef,
  type TensorValue,
} from '@placewright/ir';
import { copyOf } from './data.js';
import { asMap, type Named, takeFeeds } from './feeds.js';
import type { Kernel } from './kernel.js';
import { builtinKernels } from './kernels/table.js';
import { keepLatest } from './latest.js';
import { type Plan, planRound } from './plan.js';
import { type Frame, isStateOp, runRound } from './run.js';
import type { Schedule } from './schedule.js';
import {
  emptyState,
  readState,
  restoreVariables,
  type State,
  snapshotVariables,
  writeState,
} from './state.js';

export interface InterpreterOptions {
  /** Ops of the module; the built-in ones when left out. */
  readonly registry?: OpRegistry;
  /** Kernels of further ops, or in the place of built-in ones, by op. */
  readonly kernels?: Named<Kernel>;
}

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
  const kernels = new Map<string, Kernel>([
    ...Object.entries(builtinKernels),
    ...asMap(options.kernels ?? {}),
  ]);
  const registry = options.registry ?? builtinRegistry;
  const entries = Object.values(module.entries);
  checkKernels(registry, kernels, entryMembers(module, entries));
  const state = emptyState();
  const plan = planner(module, registry, kernels);
  return {
    run: (name, feeds = {}, runOptions = {}) => {
      const entry = lookupEntry(module, name);
      const extra = runOptions.fetch ?? [];
      const rounds = plan(entry, extra);
      const fed = takeFeeds(
        module,
        entry,
        asMap(feeds),
        rounds.flatMap(({ nodes }) => nodes),
      );
      const frame = { module, state, kernels, feeds: fed };
      return runEntry(frame, entry, rounds, runOptions);
    },
    readVariables: () => snapshotVariables(module, state),
    writeVariables: (values) => restoreVariables(module, state, asMap(values)),
    readState: () => readState(module, state),
    writeState: (values) => writeState(module, state, values),
    stagingDepths: () => stagingDepths(module, state),
    reset() {
      state.variables.clear();
      state.areas.clear();
    },
  };
}

/** The rounds of an entry that also give `extra`. */
type Planner = (entry: Entry, extra: readonly TensorRef[]) => readonly Plan[];

/** Sets of further fetches whose plans are kept, as many as the embedded engine keeps. */
const MAX_EXTRA = 16;

/**
 * Plans each entry once, and once for each set of further fetches that was asked for lately. A further fetch can bring
 * in nodes of no entry, so kernels are looked for again.
 */
function planner(module: Module, registry: OpRegistry, kernels: ReadonlyMap<string, Kernel>): Planner {
  const make = (entry: Entry, extra: readonly TensorRef[]): readonly Plan[] => {
    const complete = entry.rounds.length > 0 ? entry : { ...entry, rounds: [[]] };
    const rounds = complete.rounds.map((_, round) => planRound(module, complete, round, extra));
    for (const { nodes } of rounds) checkKernels(registry, kernels, nodes);
    return rounds;
  };
  const own = keepLatest<readonly Plan[]>(ENTRY_NAMES.length);
  const further = keepLatest<readonly Plan[]>(MAX_EXTRA);
  return (entry, extra) => {
    if (extra.length === 0) return own(entry.name, () => make(entry, extra));
    const key = JSON.stringify([entry.name, extra.map(({ node, port }) => [node, port])]);
    return further(key, () => make(entry, extra));
  };
}

function entryMembers(module: Module, entries: readonly Entry[]): Node[] {
  const ids = new Set(entries.flatMap((entry) => [...entryNodes(module, entry)]));
  return [...ids].map((id) => nodeOf(module.graph, id));
}

function checkKernels(
  registry: OpRegistry,
  kernels: ReadonlyMap<string, Kernel>,
  nodes: Iterable<Node>,
): void {
  const missing = new Map<string, Node>();
  for (const node of nodes) {
    if (!canRun(registry, kernels, node.op) && !missing.has(node.op)) missing.set(node.op, node);
  }
  const [first] = missing.values();
  if (first === undefined) return;
  throw new PlacewrightError(
    'PW_KERNEL_MISSING',
    `the interpreter has no kernel for ${[...missing.keys()].sort().join(', ')}`,
    {
      where: { node: nodeName(first) },
      hint: 'give kernels for pure ops of your own: the option `kernels` of load, or of createInterpreter',
    },
  );
}

/** Whether an op runs here: built in, or with a kernel and without effects on resources. */
function canRun(registry: OpRegistry, kernels: ReadonlyMap<string, Kernel>, op: string): boolean {
  if (op === 'Placeholder' || op === 'NcclAllReduce' || op === 'Barrier' || isStateOp(op)) return true;
  return kernels.has(op) && registry.ops.get(op)?.effect.kind !== 'resources';
}

function runEntry(
  frame: Frame,
  entry: Entry,
  rounds: readonly Plan[],
  options: RunOptions,
): Map<string, TensorValue> {
  const named = namedFetches(frame.module, entry, options.fetch ?? []);
  const out = new Map<string, TensorValue>();
  rounds.forEach((plan, round) => {
    const last = round === rounds.length - 1;
    const values = runRound(frame, plan, options.schedule, last ? [...named.values()] : []);
    if (last)
      [...named.keys()].forEach((name, i) => {
        const value = values[i];
        if (value !== undefined) out.set(name, copyOf(value));
      });
  });
  return out;
}

/** The entry's own fetches first; a further one whose shown name is taken by another tensor is PW_FETCH_DUPLICATE. */
function namedFetches(module: Module, entry: Entry, extra: readonly TensorRef[]): Map<string, TensorRef> {
  const named = new Map(entry.fetches.map(({ name, tensor }) => [name, tensor]));
  for (const ref of extra) {
    const name = `${nodeName(nodeOf(module.graph, ref.node))}:${ref.port}`;
    const other = named.get(name);
    if (other !== undefined && (other.node !== ref.node || other.port !== ref.port)) {
      throw new PlacewrightError(
        'PW_FETCH_DUPLICATE',
        `two tensors would be fetched as ${JSON.stringify(name)}`,
        {
          hint: `rename the fetch of entry ${entry.name}`,
        },
      );
    }
    named.set(name, ref);
  }
  return named;
}

function stagingDepths(module: Module, state: State): Map<string, number> {
  const depths = new Map<string, number>();
  for (const resource of module.resources.values()) {
    if (isBuffer(resource)) depths.set(resourceName(resource), state.areas.get(resource.id)?.length ?? 0);
  }
  return depths;
}
