import {
  type Attrs,
  constantValue,
  type DeviceName,
  type DType,
  type Entry,
  elementCount,
  type Graph,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  nodeOf,
  PlacewrightError,
  type ResourceId,
  type TensorRef,
  type TensorType,
  type TensorValue,
  tensorKey,
  tensorTypeOf,
} from '@placewright/ir';
import type { Accumulate } from '../../engine.js';
import { type Collective, type Partition, partitionRound } from '../../partition.js';
import { type Region, regionsOf } from '../../regions.js';
import { emitRegion, type OwnEmitters, unseenGuards } from './emit/region.js';
import { isRuntimeOp } from './op-kinds.js';

/** A place for a value during a run of one device; -1 where a value is not needed. */
export type Slot = number;

/** A task of another device. */
export interface RemoteTask {
  readonly device: DeviceName;
  readonly task: number;
}

interface TaskBase {
  /** What it is called in traces and errors. */
  readonly name: string;
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
  /** Distinct tasks, here and elsewhere, and messages that it waits for. */
  readonly waits: number;
  /** Tasks of this device that wait for it. */
  readonly next: readonly number[];
  /** Tasks of other devices that wait for it. */
  readonly signals: readonly RemoteTask[];
}

/** A region: one call of ONNX Runtime. */
export interface RegionTask extends TaskBase {
  readonly kind: 'region';
  /** Hash of its model. */
  readonly model: string;
  readonly nodes: number;
  /** Labels to check: a position in the inputs, then the outputs. */
  readonly guards: readonly { readonly at: number; readonly limit: number; readonly node: string }[];
  /** First shown names of what it holds, for errors. */
  readonly holds: string;
}

/** A node that the runtime runs itself. */
export interface KernelTask extends TaskBase {
  readonly kind: 'kernel';
  readonly op: string;
  readonly attrs: Attrs;
  readonly types: readonly TensorType[];
  readonly resources: readonly ResourceId[];
}

/** The arriving end of a copy between devices. */
export interface ReceiveTask extends TaskBase {
  readonly kind: 'receive';
  readonly source: DeviceName;
}

/** A member of a collective. */
export interface AllReduceTask extends TaskBase {
  readonly kind: 'all-reduce';
  /** Index into the plan's collectives. */
  readonly collective: number;
  /** Position in the order of the towers. */
  readonly member: number;
}

export type Task = RegionTask | KernelTask | ReceiveTask | AllReduceTask;

export interface CollectivePlan {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Device and task of each member, in the order of the towers. */
  readonly members: readonly RemoteTask[];
  /** What the sum is multiplied by: 1 where it is the sum. */
  readonly scale: number;
}

export interface DevicePlan {
  readonly device: DeviceName;
  readonly tasks: readonly Task[];
  /** How often the value in each slot is taken: by tasks, by sends and by the caller. */
  readonly uses: readonly number[];
  readonly constants: readonly { readonly slot: Slot; readonly value: TensorValue }[];
  /** Where values go as soon as they are there, by slot. */
  readonly sends: ReadonlyMap<Slot, readonly RemoteTask[]>;
  readonly fetches: readonly { readonly name: string; readonly slot: Slot }[];
}

/** One round of an entry, ready for the workers. */
export interface RoundPlan {
  readonly devices: readonly DevicePlan[];
  readonly collectives: readonly CollectivePlan[];
  /** Models by hash. */
  readonly models: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Placeholders that must be fed, with the task that takes the value. */
  readonly feeds: readonly { readonly node: Node; readonly at: RemoteTask }[];
  readonly regions: readonly Region[];
}

/** A task while the plan is made. */
interface Draft {
  readonly device: DeviceName;
  /** Position among the tasks of its device. */
  readonly index: number;
  readonly nodes: readonly Node[];
  readonly region: Region | null;
  readonly before: Set<Draft>;
  readonly after: Draft[];
}

/** The value slots of one device while its plan is made. */
interface SlotTable {
  readonly slots: Map<string, Slot>;
  readonly uses: number[];
  readonly constants: { slot: Slot; value: TensorValue }[];
  readonly sends: Map<Slot, RemoteTask[]>;
  readonly fetches: { name: string; slot: Slot }[];
}

interface Planning {
  readonly graph: Graph;
  readonly partition: Partition;
  readonly drafts: ReadonlyMap<DeviceName, readonly Draft[]>;
  readonly homes: ReadonlyMap<NodeId, Draft>;
  readonly tables: ReadonlyMap<DeviceName, SlotTable>;
  readonly models: Map<string, Uint8Array<ArrayBuffer>>;
  readonly hash: (model: Uint8Array) => string;
  readonly accumulate: Accumulate;
  readonly emitters: OwnEmitters;
  /** Which collective a node is a member of, and its position there. */
  readonly seats: ReadonlyMap<NodeId, { readonly collective: number; readonly member: number }>;
}

export interface PlanRequest {
  readonly module: Module;
  readonly entry: Entry;
  readonly round: number;
  /** Tensors to give beside the entry's own fetches, in the last round. */
  readonly extra: readonly TensorRef[];
  /** Names of the entry's fetches, then of the extra ones. */
  readonly names: readonly string[];
  readonly accumulate: Accumulate;
  readonly emitters: OwnEmitters;
  readonly hash: (model: Uint8Array) => string;
}

/** Plans one round of an entry. Throws PW_ENGINE_*, PW_DEADLOCK, PW_CYCLE. */
export function planRound(request: PlanRequest): RoundPlan {
  const { module, entry, round, extra, names, accumulate, emitters, hash } = request;
  const { graph } = module;
  const partition = partitionRound(module, entry, round, extra, (op) => !isRuntimeOp(op));
  const regions = regionsOf(partition);
  const { drafts, homes } = draftTasks(partition, regions);
  const tables = new Map(
    [...drafts.keys(), ...partition.fetched.map(({ node }) => nodeOf(graph, node).device)].map((device) => [
      device,
      emptyTable(),
    ]),
  );
  const seats = new Map(
    partition.collectives.flatMap(({ members }, collective) =>
      members.map((id, member) => [id, { collective, member }] as const),
    ),
  );
  const models = new Map<string, Uint8Array<ArrayBuffer>>();
  const own = { hash, accumulate, emitters };
  const planning: Planning = { graph, partition, drafts, homes, tables, models, seats, ...own };
  connect(planning);
  takeFetches(planning, names);
  const all = [...drafts.values()].flat();
  for (const draft of all) addSends(planning, draft);
  return {
    devices: [...tables].map(([device, table]) => devicePlan(planning, device, table)),
    collectives: partition.collectives.map((collective) => collectivePlan(planning, collective)),
    models: planning.models,
    feeds: all.flatMap(({ nodes: [node], device, index }) =>
      node?.op === 'Placeholder' ? [{ node, at: { device, task: index } }] : [],
    ),
    regions,
  };
}

function emptyTable(): SlotTable {
  return { slots: new Map(), uses: [], constants: [], sends: new Map(), fetches: [] };
}

function draftTasks(
  { nodes, parts }: Partition,
  regions: readonly Region[],
): Pick<Planning, 'drafts' | 'homes'> {
  const drafts = new Map<DeviceName, Draft[]>();
  const homes = new Map<NodeId, Draft>();
  const add = (device: DeviceName, members: readonly Node[], region: Region | null): void => {
    const own = drafts.get(device) ?? [];
    drafts.set(device, own);
    const draft: Draft = { device, index: own.length, nodes: members, region, before: new Set(), after: [] };
    own.push(draft);
    for (const { id } of members) homes.set(id, draft);
  };
  for (const region of regions) add(region.device, region.nodes, region);
  for (const node of nodes) if (parts.get(node.id) === 'runtime') add(node.device, [node], null);
  return { drafts, homes };
}

/** The source of a copy between devices; undefined for what is none. */
function remoteSource({ graph, partition }: Planning, node: Node | undefined): TensorRef | undefined {
  const [source] = node?.op === 'Transfer' ? node.inputs : [];
  if (node === undefined || source === undefined || partition.parts.get(source.node) === 'constant')
    return undefined;
  return nodeOf(graph, source.node).device === node.device ? undefined : source;
}

/** Edges between tasks. The tensor of a copy is a message, not an edge: it says by itself that its source has run. */
function connect(planning: Planning): void {
  for (const draft of [...planning.drafts.values()].flat()) {
    for (const node of draft.nodes) {
      const messages = remoteSource(planning, node) !== undefined;
      const before = messages ? node.controls : [...node.inputs.map(({ node: id }) => id), ...node.controls];
      for (const id of before) {
        const source = planning.homes.get(id);
        if (source === undefined || source === draft || draft.before.has(source)) continue;
        draft.before.add(source);
        source.after.push(draft);
      }
    }
  }
}

/** The slot of a tensor on a device, to be taken once more. */
function take({ graph, partition }: Planning, table: SlotTable, ref: TensorRef): Slot {
  const slot = slotOf(table, ref);
  if (table.uses[slot] === 0 && partition.parts.get(ref.node) === 'constant') {
    const value = constantValue(graph, ref);
    if (value !== null) table.constants.push({ slot, value });
  }
  table.uses[slot] = (table.uses[slot] ?? 0) + 1;
  return slot;
}

function slotOf(table: SlotTable, ref: TensorRef): Slot {
  const key = tensorKey(ref);
  const known = table.slots.get(key);
  if (known !== undefined) return known;
  const slot = table.uses.length;
  table.slots.set(key, slot);
  table.uses.push(0);
  return slot;
}

function tableOf(planning: Planning, device: DeviceName): SlotTable {
  const table = planning.tables.get(device);
  if (table === undefined) {
    throw new PlacewrightError('PW_INTERNAL_PLAN', `device ${device} has no plan`, { kind: 'internal' });
  }
  return table;
}

function takeFetches(planning: Planning, names: readonly string[]): void {
  planning.partition.fetched.forEach((ref, i) => {
    const table = tableOf(planning, nodeOf(planning.graph, ref.node).device);
    table.fetches.push({ name: names[i] ?? '', slot: take(planning, table, ref) });
  });
}

function addSends(planning: Planning, { device, index, nodes: [node] }: Draft): void {
  const source = remoteSource(planning, node);
  if (source === undefined) return;
  const table = tableOf(planning, nodeOf(planning.graph, source.node).device);
  const slot = take(planning, table, source);
  table.sends.set(slot, [...(table.sends.get(slot) ?? []), { device, task: index }]);
}

function devicePlan(planning: Planning, device: DeviceName, table: SlotTable): DevicePlan {
  const drafts = planning.drafts.get(device) ?? [];
  const inputs = drafts.map((draft) => inputsOf(planning, draft).map((ref) => take(planning, table, ref)));
  // Outputs come after all inputs, so that a value which nobody takes has no slot.
  const tasks = drafts.map((draft, i) => taskOf(planning, table, draft, inputs[i] ?? []));
  const { uses, constants, sends, fetches } = table;
  return { device, tasks, uses, constants, sends, fetches };
}

function inputsOf(planning: Planning, { nodes: [node], region }: Draft): readonly TensorRef[] {
  if (region !== null) return region.outputs.length === 0 ? [] : region.inputs;
  if (node === undefined || remoteSource(planning, node) !== undefined) return [];
  const isScaled = planning.partition.scaled.has(node.id);
  return isScaled ? node.inputs.filter((ref) => planning.seats.has(ref.node)) : node.inputs;
}

function taskOf(planning: Planning, table: SlotTable, draft: Draft, inputs: readonly Slot[]): Task {
  const [node] = draft.nodes as readonly [Node, ...Node[]];
  const place = (refs: readonly TensorRef[]): Slot[] =>
    refs.map((ref) => table.slots.get(tensorKey(ref)) ?? -1);
  const { device, before, after, region } = draft;
  const base = {
    inputs,
    outputs: place(
      region === null ? node.outputs.map((_, port) => ({ node: node.id, port })) : region.outputs,
    ),
    waits: before.size,
    next: after.flatMap((next) => (next.device === device ? [next.index] : [])),
    signals: after.flatMap((next) =>
      next.device === device ? [] : [{ device: next.device, task: next.index }],
    ),
  };
  if (region !== null) return regionTask(planning, region, base);
  const name = nodeName(node);
  const source = remoteSource(planning, node);
  if (source !== undefined) {
    return {
      ...base,
      kind: 'receive',
      name,
      waits: base.waits + 1,
      source: nodeOf(planning.graph, source.node).device,
    };
  }
  if (node.op === 'NcclAllReduce') {
    const at = planning.seats.get(node.id) ?? { collective: 0, member: 0 };
    return { ...base, kind: 'all-reduce', name, ...at };
  }
  const { attrs, outputs: types, resources } = node;
  const op = planning.partition.scaled.has(node.id) ? 'Identity' : node.op;
  return { ...base, kind: 'kernel', name, op, attrs, types, resources };
}

const SHOWN_NODES = 4;

function regionTask(
  planning: Planning,
  region: Region,
  base: Omit<KernelTask, 'kind' | 'name' | 'op' | 'attrs' | 'types' | 'resources'>,
): Task {
  const names = region.nodes.map((node) => nodeName(node));
  const shown = names.slice(0, SHOWN_NODES).join(', ');
  const holds = names.length > SHOWN_NODES ? `${shown} and ${names.length - SHOWN_NODES} more` : shown;
  const name = names.length === 1 ? shown : `${names[0]} … ${names.at(-1)}`;
  if (region.outputs.length === 0) {
    return { ...base, kind: 'kernel', name, op: 'NoOp', attrs: new Map(), types: [], resources: [] };
  }
  const { model, guards } = emitRegion(planning.graph, region, planning.accumulate, planning.emitters);
  const hash = planning.hash(model);
  planning.models.set(hash, model);
  const seen = [...region.inputs, ...region.outputs, ...unseenGuards(region, guards)].map(tensorKey);
  return {
    ...base,
    kind: 'region',
    name,
    model: hash,
    nodes: names.length,
    guards: guards.map(({ tensor, limit, node }) => ({
      at: seen.indexOf(tensorKey(tensor)),
      limit,
      node: nodeName(node),
    })),
    holds,
  };
}

function collectivePlan({ graph, homes }: Planning, { name, members, scale }: Collective): CollectivePlan {
  const drafts = members.map((id) => homes.get(id) as Draft);
  const types = members.map((id) => tensorTypeOf(graph, { node: id, port: 0 }));
  const [first] = types as [TensorType, ...TensorType[]];
  if (elementCount(first.shape) === null) {
    throw new PlacewrightError('PW_ENGINE_OP', 'NcclAllReduce of a shape that is known only at the run', {
      where: { node: nodeName(nodeOf(graph, members[0] ?? 'n0')) },
      hint: 'give the tensor a static shape before it is reduced',
    });
  }
  return {
    name,
    dtype: first.dtype,
    shape: first.shape as readonly number[],
    members: drafts.map(({ device, index }) => ({ device, task: index })),
    scale,
  };
}
