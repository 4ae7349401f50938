import { jobTasks, taskText } from '../cluster.js';
import type { Module, Node, NodeId } from '../graph.js';
import type { LinkedTask } from '../link.js';
import type { OpDecl, OpRegistry, ResourceEffect } from '../op.js';
import { numberEdges, roundNodes, topologicalOrder } from '../traverse.js';
import type { Access, PermittedSkew, RoundView, TaskView, VerifyContext } from './invariant.js';
import { buildNet } from './net/build.js';
import { createOrders } from './net/orders.js';
import { once } from './once.js';

/** What a context is of beside a module. */
export interface ContextOptions {
  /** The tasks of a linked module; all entries are those of one task when left out. */
  readonly tasks?: readonly LinkedTask[] | undefined;
  readonly permittedSkew?: PermittedSkew | undefined;
}

/** A context in which nothing has been worked out yet. */
export function verifyContext(
  module: Module,
  registry: OpRegistry,
  options: ContextOptions = {},
): VerifyContext {
  const decl = (node: Node): OpDecl | null => registry.ops.get(node.op) ?? null;
  const edges = once(() => numberEdges(module.graph));
  const order = once(() => topologicalOrder(module.graph, edges()));
  const tasks = once(() => tasksOf(module, options.tasks));
  const context: VerifyContext = {
    module,
    registry,
    decl,
    edges,
    order,
    position: once(() => new Map<NodeId, number>(order().map((node, i) => [node.id, i]))),
    tasks,
    complete: () => isComplete(module, options),
    permittedSkew: () => options.permittedSkew ?? skewOf(tasks()),
    rounds: once(() => tasks().flatMap((task, i) => roundsOf(module, task, i))),
    accesses: once(() => accessesOf(module, decl)),
    net: once(() => buildNet(context)),
    orders: once(() => createOrders(context, context.net())),
  };
  return context;
}

function tasksOf({ entries }: Module, linked: readonly LinkedTask[] | undefined): TaskView[] {
  if (linked === undefined || linked.length < 2)
    return [{ label: '', entries: linked?.[0]?.entries ?? entries }];
  return linked.map((own) => ({ label: taskText(own.task), entries: own.entries }));
}

function isComplete({ task, cluster }: Module, { tasks }: ContextOptions): boolean {
  if (tasks !== undefined) return true;
  // Before placement nothing is known of other tasks.
  return cluster !== null && (task === null || jobTasks(cluster, task.job).length < 2);
}

/** Workers that wait for each other in an entry of its own, and not in their steps, are asynchronous by design. */
function skewOf(tasks: readonly TaskView[]): PermittedSkew {
  return tasks.every(({ entries }) => entries.barrier !== undefined) ? 'otherWorkers' : 'none';
}

function roundsOf(module: Module, { label: who, entries }: TaskView, task: number): RoundView[] {
  return Object.values(entries).flatMap((entry) =>
    entry.rounds.map((_, round) => {
      const which = entry.rounds.length > 1 ? `${entry.name} round ${round + 1}` : entry.name;
      const label = who === '' ? which : `${which} of ${who}`;
      return { label, entry: entry.name, round, task, nodes: roundNodes(module, entry, round) };
    }),
  );
}

function accessesOf(module: Module, declOf: (node: Node) => OpDecl | null): Access[] {
  const accesses: Access[] = [];
  for (const node of module.graph.nodes.values()) {
    if (node.resources.length === 0) continue;
    const decl = declOf(node);
    node.resources.forEach((id, i) => {
      const resource = module.resources.get(id);
      if (resource !== undefined) accesses.push({ node, resource, effect: effectAt(decl, i) });
    });
  }
  return accesses;
}

function effectAt(decl: OpDecl | null, index: number): ResourceEffect {
  return decl?.effect.kind === 'resources' ? (decl.effect.effects[index] ?? 'write') : 'write';
}
