import type { Attrs } from './attr.js';
import type { Cluster, TaskName } from './cluster.js';
import type { DeviceName } from './device.js';
import type { DType } from './dtype.js';
import type { Shape, TensorType } from './shape.js';
import type { TrainingSpec } from './training.js';

/** Internal name of a node, never shown as the user's: `n17`. */
export type NodeId = `n${number}`;
/** Internal name of a resource: `r3`. */
export type ResourceId = `r${number}`;

/** One output of a node. */
export interface TensorRef {
  readonly node: NodeId;
  readonly port: number;
}

/** A tensor as a key of maps: `n17:0`. */
export function tensorKey({ node, port }: TensorRef): string {
  return `${node}:${port}`;
}

/** What a node is for. `fetch` nodes put the towers' fetches together, `init` nodes make initial values, `eval` nodes belong to inference. */
export const PHASES = [
  'input',
  'forward',
  'backward',
  'aggregate',
  'update',
  'staging',
  'fetch',
  'init',
  'eval',
] as const;
export type Phase = (typeof PHASES)[number];

/** Where a node came from: the pass that made it (`build` for the user's own), the nodes it was made from, and why. */
export interface Origin {
  readonly pass: string;
  readonly from: readonly NodeId[];
  readonly reason: string;
}

/** An operation. Immutable; changed only through the editor. */
export interface Node {
  readonly id: NodeId;
  /** The name within its replica. The shown name is rendered by `nodeName` and never parsed. */
  readonly name: string;
  /** TensorFlow's op name. */
  readonly op: string;
  readonly inputs: readonly TensorRef[];
  /** Nodes that run before this one though nothing flows. */
  readonly controls: readonly NodeId[];
  readonly attrs: Attrs;
  /** Type and shape of each output. */
  readonly outputs: readonly TensorType[];
  /** Resources that the op acts on, in the order of its declaration. */
  readonly resources: readonly ResourceId[];
  /** Canonical device name, partial or full; `''` while unplaced. */
  readonly device: DeviceName;
  /** Tower, or null for what all towers share. */
  readonly replica: number | null;
  /** Logical variable (`conv0/biases`) that the node reads, differentiates, aggregates or updates. */
  readonly variable: string | null;
  readonly phase: Phase;
  /** Layer or other group of the user's model (`conv0`); `''` for none. */
  readonly group: string;
  /** Nodes of one colocation group share a device. */
  readonly colocation: string | null;
  readonly origin: Origin;
}

interface ResourceBase {
  readonly id: ResourceId;
  /** TensorFlow's resource container; `''` is the default one. */
  readonly container: string;
  /** Where it lives; `''` while unplaced. */
  readonly device: DeviceName;
  readonly replica: number | null;
  readonly origin: Origin;
}

/** A variable. Its shown name, also its shared name, is `scope/name`, or `name` without a scope. */
export interface VariableResource extends ResourceBase {
  readonly kind: 'variable';
  /** Logical name, the same on every tower: `conv0/biases`, `conv0/biases/Momentum`. */
  readonly name: string;
  /** `v`, `v0`, `ps_var/v0`; `''` for what stands outside the towers (`global_step`). */
  readonly scope: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly trainable: boolean;
  readonly collection: 'global' | 'local';
  /** The variable whose optimizer slot this is. */
  readonly slotOf: ResourceId | null;
  /** Its key in a checkpoint; null when it is not saved. */
  readonly savedAs: string | null;
}

/** A buffer between steps: `Stage` puts, `Unstage` gets, first in first out. */
export interface StagingAreaResource extends ResourceBase {
  readonly kind: 'stagingArea';
  readonly name: string;
  readonly types: readonly TensorType[];
  /** Tuples that fit. */
  readonly capacity: number;
}

/** TensorFlow's `FIFOQueueV2`. */
export interface QueueResource extends ResourceBase {
  readonly kind: 'queue';
  readonly name: string;
  readonly types: readonly TensorType[];
  readonly capacity: number;
}

/** A barrier between tasks: each of `parties` arrives once a step. */
export interface BarrierResource extends ResourceBase {
  readonly kind: 'barrier';
  readonly name: string;
  readonly parties: number;
}

export type Resource = VariableResource | StagingAreaResource | QueueResource | BarrierResource;

/** `barrier` waits for the other tasks outside of a step: asynchronous training begins and ends with it. */
export const ENTRY_NAMES = ['init', 'postInit', 'warmUp', 'step', 'barrier', 'eval'] as const;
export type EntryName = (typeof ENTRY_NAMES)[number];

/**
 * A named graph over the module's state: the part of the node table that its targets and fetches need.
 * It runs its rounds one after the other (warm-up fills staging areas tier by tier; the others have one round);
 * fetches are taken in the last.
 */
export interface Entry {
  readonly name: EntryName;
  /** Placeholders by the name that a caller feeds. */
  readonly feeds: readonly { readonly name: string; readonly node: NodeId }[];
  readonly fetches: readonly { readonly name: string; readonly tensor: TensorRef }[];
  /** Nodes that must have run, per round. */
  readonly rounds: readonly (readonly NodeId[])[];
}

/** What a tensor or node means to the passes; kept beside the graph so that no name need be read. */
export type Role =
  | { readonly kind: 'loss'; readonly replica: number | null; readonly tensor: TensorRef }
  /** Gradient of a tower's loss by a trainable variable, before aggregation. */
  | {
      readonly kind: 'gradient';
      readonly replica: number | null;
      readonly variable: string;
      readonly tensor: TensorRef;
    }
  /** Gradient that an update takes: aggregated, then clipped. `replica` is the tower that applies it, null for the one shared set. */
  | {
      readonly kind: 'aggregated';
      readonly replica: number | null;
      readonly variable: string;
      readonly tensor: TensorRef;
    }
  /** The update of a variable by the optimizer. */
  | {
      readonly kind: 'apply';
      readonly replica: number | null;
      readonly variable: string;
      readonly node: NodeId;
    }
  /** An update that is no gradient's: a moving average. */
  | {
      readonly kind: 'update';
      readonly replica: number | null;
      readonly variable: string;
      readonly node: NodeId;
    }
  /** Assignment of an initial value, or of a copy after initialisation. */
  | {
      readonly kind: 'initializer';
      readonly replica: number | null;
      readonly variable: string;
      readonly node: NodeId;
    }
  | { readonly kind: 'globalStep'; readonly node: NodeId };

/** A choice that a pass made, with what it chose from, so that `explain` need not guess. */
export interface Decision {
  readonly pass: string;
  readonly about: 'device' | 'readDevice' | 'cachingDevice' | 'staging' | 'aggregation' | 'slot' | 'name';
  /** Node or resource decided on. */
  readonly subject: NodeId | ResourceId;
  readonly chosen: string;
  /** Candidates with their loads at that moment, in the order they were looked at; empty when there was no choice. */
  readonly candidates: readonly { readonly name: string; readonly load: number }[];
  /** The rule that decided, ties included: `least loaded by elements, lowest index on a tie`. */
  readonly rule: string;
  /** The option that asked for it: `localParameterDevice=gpu`. */
  readonly option: string;
}

/** A dataflow graph: nodes by id, in order of insertion. */
export interface Graph {
  readonly nodes: ReadonlyMap<NodeId, Node>;
}

/** Shared state plus named entries over one node table. What is compiled, printed, verified and run. */
export interface Module {
  readonly name: string;
  readonly graph: Graph;
  readonly resources: ReadonlyMap<ResourceId, Resource>;
  readonly entries: Readonly<Partial<Record<EntryName, Entry>>>;
  readonly roles: readonly Role[];
  readonly decisions: readonly Decision[];
  /** How it is to be trained; null for inference alone. */
  readonly training: TrainingSpec | null;
  /** What it was placed for; null before placement. */
  readonly cluster: Cluster | null;
  /** The task of the cluster that it is compiled for; null on a local cluster, and before placement. */
  readonly task: TaskName | null;
  /** Number of towers; 0 before replication. */
  readonly towers: number;
  /** Names of invariants that hold from here on, as the passes have established them. */
  readonly established: readonly string[];
  /** Next free number for ids. */
  readonly nextId: number;
}

export function emptyModule(name: string): Module {
  return {
    name,
    graph: { nodes: new Map() },
    resources: new Map(),
    entries: {},
    roles: [],
    decisions: [],
    training: null,
    cluster: null,
    task: null,
    towers: 0,
    established: [],
    nextId: 0,
  };
}

/**
 * A node of these fields, always laid out in the same order: engines that compile JavaScript by the layout of objects
 * then compile what walks over nodes once, which halved the time of the first compilation in a process.
 */
export function makeNode(fields: Node): Node {
  const { id, name, op, inputs, controls, attrs, outputs, resources, device } = fields;
  const { replica, variable, phase, group, colocation, origin } = fields;
  return {
    id,
    name,
    op,
    inputs,
    controls,
    attrs,
    outputs,
    resources,
    device,
    replica,
    variable,
    phase,
    group,
    colocation,
    origin,
  };
}

/** Names that have been rendered: nodes never change, and each is asked for its name after every pass. */
const rendered = new WeakMap<object, string>();

/** The shown name of a node: `tower_1/conv0/Conv2D`. */
export function nodeName(node: { readonly name: string; readonly replica: number | null }): string {
  if (node.replica === null) return node.name;
  const known = rendered.get(node);
  if (known !== undefined) return known;
  const name = `tower_${node.replica}/${node.name}`;
  rendered.set(node, name);
  return name;
}

/** The shown name of a resource, also its shared name at run time. */
export function resourceName(resource: Resource): string {
  switch (resource.kind) {
    case 'variable':
      return resource.scope === '' ? resource.name : `${resource.scope}/${resource.name}`;
    case 'stagingArea':
    case 'queue':
    case 'barrier':
      return resource.name;
  }
}
