import {
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
}

/** Something that a module must fulfil. */
export interface Invariant {
  /** Stable, as in `Module.established`. */
  readonly name: string;
  /** One line on what must hold. */
  readonly summary: string;
  /** `always`, or only once a pass has established it. */
  readonly from: 'always' | 'established';
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
  /** `step`, or `warmUp round 2` where there are several. */
  readonly label: string;
  readonly entry: string;
  readonly nodes: ReadonlySet<NodeId>;
}

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
  rounds(): readonly RoundView[];
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
