import type {
  Cluster,
  Decision,
  DeviceName,
  DType,
  EntryName,
  Node,
  NodeId,
  Phase,
  Resource,
  ResourceId,
  Role,
  Shape,
  TaskName,
  TensorType,
  TrainingSpec,
} from '@placewright/ir';

/** Version of the description beside a GraphDef. */
export const SIDECAR_VERSION = 1;

/**
 * What a GraphDef has no place for, by the names of its nodes: the entries, the variables, and all that the module says
 * beyond the graph itself.
 */
export interface GraphSidecar {
  readonly format: 'placewright-graphdef';
  readonly version: number;
  /** The module's name. */
  readonly name: string;
  /** What to run: see `SidecarEntry`. */
  readonly entries: Readonly<Partial<Record<EntryName, SidecarEntry>>>;
  readonly variables: readonly SidecarVariable[];
  readonly buffers: readonly SidecarBuffer[];
  /** Devices that are called otherwise in the graph than in the module. */
  readonly devices: readonly { readonly module: DeviceName; readonly graph: DeviceName }[];
  /** What makes the module whole again; null where it was left out. */
  readonly module: SidecarModule | null;
}

/** One entry: each round is one run of its targets; fetches are taken with the last round, feeds given in every one. */
export interface SidecarEntry {
  readonly feeds: readonly NamedTensor[];
  readonly fetches: readonly NamedTensor[];
  readonly rounds: readonly (readonly string[])[];
}

/** A tensor `node:0` of the graph, by the name that a caller knows it by. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: string;
  /** The tensor of the module, where another one of the graph stands for it. */
  readonly of?: string;
}

export interface SidecarVariable {
  /** As `variableNames` of the IR has it. */
  readonly name: string;
  readonly resource: ResourceId;
  /** The node that gives its handle. */
  readonly handle: string;
  /** As the graph calls it. */
  readonly device: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly access: VariableAccess | null;
}

/** Nodes beside the module's own: fetch `read:0`, which fails unless `initialised:0` is true; run `assign` with `feed:0` fed. */
export interface VariableAccess {
  readonly read: string;
  readonly initialised: string;
  readonly feed: string;
  readonly assign: string;
}

/** A staging area or a queue. */
export interface SidecarBuffer {
  readonly name: string;
  readonly resource: ResourceId;
  /** As the graph calls it. */
  readonly device: string;
  /** Of the tuples that it holds. */
  readonly types: readonly TensorType[];
  readonly access: BufferAccess | null;
}

/** Nodes beside the module's own, for times at which nothing else runs. */
export interface BufferAccess {
  /** Its output 0 is how many tuples there are. */
  readonly size: string;
  /**
   * Its outputs are a tuple: that of a staging area whose place, counted from the oldest, is fed to `at:0`, which stays
   * there; or the oldest of a queue, which has no such place and gives it away.
   */
  readonly get: string;
  readonly at: string | null;
  /** Empties a staging area. */
  readonly clear: string | null;
  /** Puts a tuple, with output 0 of each of `feeds` fed. */
  readonly put: string;
  readonly feeds: readonly string[];
}

export interface SidecarModule {
  readonly towers: number;
  readonly nextId: number;
  readonly established: readonly string[];
  readonly training: TrainingSpec | null;
  readonly cluster: Cluster | null;
  readonly task: TaskName | null;
  readonly roles: readonly Role[];
  readonly decisions: readonly Decision[];
  readonly resources: readonly Resource[];
  readonly nodes: readonly SidecarNode[];
}

/** What a node is beyond its op and edges. What is left out is null, empty, or `forward`. */
export interface SidecarNode {
  /** Its name in the graph. */
  readonly graph: string;
  readonly id: NodeId;
  /** Its name within its replica, where that is not the name in the graph. */
  readonly name?: string;
  readonly replica?: number;
  readonly variable?: string;
  readonly phase?: Phase;
  readonly group?: string;
  readonly colocation?: string;
  readonly origin: Node['origin'];
  /** Numbers that a float32 does not hold. */
  readonly floats?: readonly { readonly name: string; readonly value: number }[];
}
