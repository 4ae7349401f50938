import {
  type Entry,
  type EntryName,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  type Resource,
  type ResourceId,
  resourceName,
} from '../graph.js';
import type { OpDecl, OpRegistry, ResourceEffect } from '../op.js';
import type { NumberedEdges } from '../traverse.js';
import type { SyncNet } from './net/net.js';
import type { Orders } from './net/orders.js';

/** How something goes wrong: what runs until then, in an order that the reference interpreter can be led along. */
export interface Counterexample {
  /** Steps that every task takes, after what it does before its first one. */
  readonly steps: number;
  /**
   * Shown names in the order in which the nodes run. A collective stands under its member of the lowest tower, and
   * where all parties of a barrier go on, one of them stands for all.
   */
  readonly order: readonly string[];
  /** Nodes that may then run in any order; none where nothing can run any more. */
  readonly next: readonly string[];
}

/** One breach of an invariant. */
export interface Violation {
  /** Name of the invariant. */
  readonly invariant: string;
  /** What is wrong, with the names of all nodes and resources concerned. */
  readonly message: string;
  /** What mends it. */
  readonly hint: string;
  /** The node or resource to look at first; null for what concerns none. */
  readonly subject: NodeId | ResourceId | null;
  /** Its shown name. */
  readonly name: string | null;
  /** Where the fault is one of order. */
  readonly counterexample?: Counterexample;
}

/** Something that a module must fulfil. */
export interface Invariant {
  /** Stable, as in `Module.established`. */
  readonly name: string;
  /** One line on what must hold. */
  readonly summary: string;
  /**
   * `always`; once a pass has established it, as every lowered graph does; or where a pass `promised` it, which depends
   * on the strategy.
   */
  readonly from: 'always' | 'established' | 'promised';
  /** Invariants without which this one cannot be asked; where one of them is broken, this one is not checked. */
  readonly needs: readonly string[];
  readonly check: (context: VerifyContext) => Violation[];
}

/** What an op does to one of its resources. */
export interface Access {
  readonly node: Node;
  readonly resource: Resource;
  readonly effect: ResourceEffect;
}

/** What one round of an entry runs. */
export interface RoundView {
  /** `step`, or `warmUp round 2` where there are several; with the task where there are several of those. */
  readonly label: string;
  readonly entry: EntryName;
  /** From 0. */
  readonly round: number;
  /** Index into `tasks()`. */
  readonly task: number;
  readonly nodes: ReadonlySet<NodeId>;
}

/** A task of the cluster, which runs entries of its own. */
export interface TaskView {
  /** `worker 1`; empty where there is one task. */
  readonly label: string;
  readonly entries: Readonly<Partial<Record<EntryName, Entry>>>;
}

/**
 * Orders that are left open on purpose: with `otherWorkers`, a worker may read a shared variable before or after another
 * one's update in a step.
 */
export type PermittedSkew = 'none' | 'otherWorkers';

/** The module being verified, with what several invariants work out from it; each is worked out once, when asked for. */
export interface VerifyContext {
  readonly module: Module;
  readonly registry: OpRegistry;
  /** Null for ops that the registry does not know. */
  decl(node: Node): OpDecl | null;
  /** All edges by number. */
  edges(): NumberedEdges;
  /** Nodes so that every edge goes forward. Only where `acyclic` holds. */
  order(): readonly Node[];
  /** Place of each node in `order`. */
  position(): ReadonlyMap<NodeId, number>;
  /** Those of a linked module, or all entries as those of one task. */
  tasks(): readonly TaskView[];
  /** Whether no task of the cluster is missing: else what waits for the others is taken to be answered. */
  complete(): boolean;
  permittedSkew(): PermittedSkew;
  /** All rounds of all tasks, each task by itself. */
  rounds(): readonly RoundView[];
  /** What of the tasks waits for one another. Only where `acyclic` holds. */
  net(): SyncNet;
  /** What of the tasks comes before what. Only where `acyclic` holds. */
  orders(): Orders;
  /** Accesses to existing resources, node by node. An op that the registry does not know is taken to write. */
  accesses(): readonly Access[];
}

export function nodeViolation(invariant: string, node: Node, message: string, hint: string): Violation {
  return { invariant, message, hint, subject: node.id, name: nodeName(node) };
}

export function resourceViolation(
  invariant: string,
  resource: Resource,
  message: string,
  hint: string,
): Violation {
  return { invariant, message, hint, subject: resource.id, name: resourceName(resource) };
}

/** A violation of the module as a whole. */
export function moduleViolation(invariant: string, message: string, hint: string): Violation {
  return { invariant, message, hint, subject: null, name: null };
}

/** A name as messages show it: quoted, cut where it is very long. */
export function shown(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 119)}…` : name);
}

export const shownNode = (node: Node): string => shown(nodeName(node));
export const shownResource = (resource: Resource): string => shown(resourceName(resource));
