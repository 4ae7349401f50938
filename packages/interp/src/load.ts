import {
  builtinRegistry,
  ENTRY_NAMES,
  type Entry,
  type EntryName,
  entryNodes,
  lookupEntry,
  type Module,
  type Node,
  nodeName,
  nodeOf,
  type OpRegistry,
  PlacewrightError,
  type TensorRef,
  type TensorValue,
} from '@placewright/ir';
import { isStateOp } from './compute.js';
import { asMap, type Named, takeFeeds } from './feeds.js';
import type { Kernel } from './kernel.js';
import { builtinKernels } from './kernels/table.js';
import { keepLatest } from './latest.js';
import type { Job } from './machine.js';
import { type Plan, planRound } from './plan.js';

export interface InterpreterOptions {
  /** Ops of the module; the built-in ones when left out. */
  readonly registry?: OpRegistry;
  /** Kernels of further ops, or in the place of built-in ones, by op. */
  readonly kernels?: Named<Kernel>;
}

/** A tensor, and what it is given as. */
export type Fetch = Entry['fetches'][number];

/** A module with some of the entries over it, ready to be run. */
export interface Loaded {
  readonly kernels: ReadonlyMap<string, Kernel>;
  /** What a run of an entry does. Throws PW_ENTRY_UNKNOWN, PW_FEED_*, PW_FETCH_DUPLICATE, PW_KERNEL_MISSING, PW_CYCLE. */
  job(entry: EntryName, feeds: Named<TensorValue>, extra: readonly Fetch[], who: string): Job;
}

/** The rounds of an entry that also give `extra`. */
type Planner = (entry: Entry, extra: readonly TensorRef[]) => readonly Plan[];

/** Sets of further fetches whose plans are kept, as many as the embedded engine keeps. */
const MAX_EXTRA = 16;

/** Loads a module. Throws PW_KERNEL_MISSING with every op that its entries need and that has no kernel. */
export function loadModule(module: Module, options: InterpreterOptions): Loaded {
  const kernels = new Map<string, Kernel>([
    ...Object.entries(builtinKernels),
    ...asMap(options.kernels ?? {}),
  ]);
  const registry = options.registry ?? builtinRegistry;
  checkKernels(registry, kernels, entryMembers(module, Object.values(module.entries)));
  const plan = planner(module, registry, kernels);
  return {
    kernels,
    job: (name, feeds, extra, who) => {
      const entry = lookupEntry(module, name);
      const rounds = plan(
        entry,
        extra.map(({ tensor }) => tensor),
      );
      const nodes = rounds.flatMap((round) => round.nodes);
      const fed = takeFeeds(module, entry, asMap(feeds), nodes);
      return { entry: name, who, rounds, feeds: fed, fetches: namedFetches(entry, extra) };
    },
  };
}

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

/** The entry's own fetches first; a further one whose name is taken by another tensor is PW_FETCH_DUPLICATE. */
function namedFetches(entry: Entry, extra: readonly Fetch[]): Map<string, TensorRef> {
  const named = new Map(entry.fetches.map(({ name, tensor }) => [name, tensor]));
  for (const { name, tensor } of extra) {
    const other = named.get(name);
    if (other !== undefined && (other.node !== tensor.node || other.port !== tensor.port)) {
      throw new PlacewrightError(
        'PW_FETCH_DUPLICATE',
        `two tensors would be fetched as ${JSON.stringify(name)}`,
        {
          hint: `rename the fetch of entry ${entry.name}`,
        },
      );
    }
    named.set(name, tensor);
  }
  return named;
}
