import { createInterpreter, type Interpreter, type Schedule } from '@placewright/interp';
import {
  type EntryName,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  type OpRegistry,
  type ResourceId,
  resourceName,
  type TensorValue,
  type VariableResource,
} from '@placewright/ir';

export type Feeds = ReadonlyMap<string, TensorValue>;

/** The batches of a run: one for each step, one for filling staging areas, one for inference at the end. */
export interface RunFeeds {
  readonly warmUp: Feeds;
  readonly steps: readonly Feeds[];
  readonly eval: Feeds;
}

/** What a run showed: fetches and all variables after each step, and the fetches of inference after the last. */
export interface Trace {
  readonly start: ReadonlyMap<string, TensorValue>;
  readonly steps: readonly {
    readonly fetches: ReadonlyMap<string, TensorValue>;
    readonly variables: ReadonlyMap<string, TensorValue>;
  }[];
  readonly eval: ReadonlyMap<string, TensorValue>;
}

export interface RunLoweredOptions {
  readonly registry?: OpRegistry;
  readonly schedule?: Schedule;
}

/** Runs a lowered module on the reference interpreter: `init`, `postInit`, `warmUp`, the steps, then `eval`. */
export function runLowered(module: Module, feeds: RunFeeds, options: RunLoweredOptions = {}): Trace {
  const { registry, schedule } = options;
  const session = createInterpreter(module, registry === undefined ? {} : { registry });
  const how = schedule === undefined ? {} : { schedule };
  session.run('init', new Map(), how);
  if (module.entries.postInit !== undefined) session.run('postInit', new Map(), how);
  const start = session.readVariables();
  if (module.entries.warmUp !== undefined)
    session.run('warmUp', feedsFor(module, 'warmUp', feeds.warmUp), how);
  const steps = feeds.steps.map((batch) => runStep(session, feedsFor(module, 'step', batch), how));
  const inference =
    module.entries.eval === undefined
      ? new Map()
      : session.run('eval', feedsFor(module, 'eval', feeds.eval), how);
  return { start, steps, eval: inference };
}

function runStep(session: Interpreter, batch: Feeds, how: { schedule?: Schedule }): Trace['steps'][number] {
  const fetches = session.run('step', batch, how);
  return { fetches, variables: session.readVariables() };
}

/** Those of the feeds that an entry takes: what is no longer needed has no placeholder. */
export function feedsFor(module: Module, entry: EntryName, feeds: Feeds): Feeds {
  const names = new Set(module.entries[entry]?.feeds.map(({ name }) => name));
  return new Map([...feeds].filter(([name]) => names.has(name)));
}

/** Where a variable of a lowered module stands in training: which tower's, and which slot of which variable. */
export interface VariablePlace {
  readonly variable: VariableResource;
  /** Shown name, as `readVariables` has it. */
  readonly shown: string;
  /** Logical name; for a slot, that of the variable it belongs to. */
  readonly name: string;
  /** 0 for the variable itself, 1 and up for its slots in the order in which its update takes them. */
  readonly slot: number;
  /** Tower that has it; null for what all share. */
  readonly tower: number | null;
}

/** All variables of a lowered module, slots numbered as the update op has them; no name is parsed. */
export function variablePlaces(module: Module): VariablePlace[] {
  const slots = slotNumbers(module);
  return [...module.resources.values()].flatMap((variable): VariablePlace[] => {
    if (variable.kind !== 'variable') return [];
    const owner = variable.slotOf === null ? variable : module.resources.get(variable.slotOf);
    const name = owner?.kind === 'variable' ? owner.name : variable.name;
    const slot = variable.slotOf === null ? 0 : (slots.get(variable.id) ?? -1);
    return [{ variable, shown: resourceName(variable), name, slot, tower: variable.replica }];
  });
}

function slotNumbers(module: Module): Map<ResourceId, number> {
  const numbers = new Map<ResourceId, number>();
  for (const role of module.roles) {
    if (role.kind !== 'apply') continue;
    const node = module.graph.nodes.get(role.node);
    node?.resources.forEach((id, i) => {
      if (i > 0) numbers.set(id, i);
    });
  }
  return numbers;
}

/** What makes a tensor, looked for behind its copies from device to device. */
export function behindCopies(module: Module, id: NodeId): Node {
  let node = nodeOf(module.graph, id);
  while (node.op === 'Transfer' && node.inputs[0] !== undefined)
    node = nodeOf(module.graph, node.inputs[0].node);
  return node;
}
