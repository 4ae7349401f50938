import type { TaskName } from './cluster.js';
import type { Entry, EntryName, Module, NodeId, ResourceId } from './graph.js';

/** One task's part of a linked module. */
export interface LinkedTask {
  readonly task: TaskName;
  /** Its own entries, over the nodes of the linked module. */
  readonly entries: Readonly<Partial<Record<EntryName, Entry>>>;
  /** Its towers by their number in the linked module; tower t of worker w with N towers each is w·N + t. */
  readonly towers: readonly number[];
  /** From the ids of the task's own module to those of the linked one. */
  readonly nodes: ReadonlyMap<NodeId, NodeId>;
  readonly resources: ReadonlyMap<ResourceId, ResourceId>;
}

/**
 * The modules of all workers of a cluster as one: what they share (variables, queues and barriers of the same kind,
 * container, shown name and device) is one resource, all else stands side by side. Towers are numbered through the
 * cluster, and nodes of no tower are called after their task (`worker_1/optimizer/learning_rate`), so that names stay
 * unique. The entries of `module` join those of the tasks, round by round, with feeds and fetches called
 * `worker_1/images`: one step of all workers, as synchronous training takes it. Each task's own entries may also be run
 * by themselves, each as often as it likes, at the same time.
 *
 * Resources keep their names: the local variables of two workers are both called `v0/conv0/weights`. A shown name is
 * one resource's within its kind, container and task (`unique-names`); `variableNames` says how a variable is called
 * where several tasks have one of its name.
 */
export interface LinkedModule {
  readonly module: Module;
  readonly tasks: readonly LinkedTask[];
}
