import { nearest } from '../errors.js';
import type { Module } from '../graph.js';
import type { OpRegistry } from '../op.js';

/** An op that a registry does not declare: its nodes can be placed and printed; no engine knows how to run them. */
export interface OpaqueOp {
  readonly op: string;
  readonly nodes: number;
  /** The nearest declared op, where one is near. */
  readonly nearest: string | null;
}

/** The ops of a module that the registry does not declare, in the order of their first nodes. */
export function opaqueOps(module: Module, registry: OpRegistry): OpaqueOp[] {
  const counts = new Map<string, number>();
  for (const { op } of module.graph.nodes.values()) {
    if (!registry.ops.has(op)) counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  const known = [...registry.ops.keys()];
  return [...counts].map(([op, nodes]) => ({ op, nodes, nearest: nearest(op, known) ?? null }));
}
