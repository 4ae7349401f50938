import {
  type Decision,
  ENTRY_NAMES,
  type Entry,
  type EntryName,
  type Module,
  type Node,
  type NodeId,
  type Resource,
  type ResourceId,
  type Role,
} from '../graph.js';
import type { LinkedModule, LinkedTask } from '../link.js';
import { type TaskModule, taskModules } from './check.js';
import {
  type Renaming,
  renameDecision,
  renameEntry,
  renameNode,
  renameOrigin,
  renameRole,
  renaming,
  towerNumber,
} from './rename.js';
import { type MergedResources, mergeResources } from './resources.js';

/**
 * What holds of each task by itself and is not said of the joint module: how tasks that run at their own pace order
 * and wait for each other is what `verifyLinked` looks at.
 */
const NOT_JOINT: readonly string[] = [
  'no-race',
  'no-race-across-tasks',
  'staging-filled',
  'no-choice',
  'no-hang',
  'replicas-equal',
];

/**
 * Joins the modules of all workers of a cluster; they may be given in any order, and the result is the same. What all
 * of them have established is established, but the proofs of order, which `verifyLinked` makes of the tasks together.
 * Throws PW_LINK_CLUSTER, PW_LINK_TASK, PW_LINK_MISSING, PW_LINK_TWICE, PW_LINK_TRAINING, PW_LINK_TOWERS, PW_LINK_RESOURCE.
 */
export function link(modules: readonly Module[]): LinkedModule {
  const given = taskModules(modules);
  const [{ module: first }] = given;
  let count = 0;
  const next = (): number => count++;
  const merged = mergeResources(given, next, (task, replica) => towerNumber(first.towers, task, replica));
  const renamings = given.map((task, i) => renaming(task, i, merged.ids[i] ?? new Map(), next));
  const parts = given.map((task, i): Part => ({ ...task, renaming: renamings[i] as Renaming }));
  const tasks = parts.map((part, i) => linkedTask(part, i));
  const module: Module = {
    name: first.name,
    graph: { nodes: allNodes(parts) },
    resources: allResources(parts, merged),
    entries: jointEntries(parts, tasks),
    roles: parts.flatMap((part): Role[] => part.module.roles.map((role) => renameRole(part.renaming, role))),
    decisions: allDecisions(parts, ({ subject }) => merged.shared.has(subject as ResourceId)),
    training: first.training,
    cluster: first.cluster,
    task: given.length === 1 ? first.task : null,
    towers: first.towers * given.length,
    established: first.established.filter(
      (name) =>
        (given.length === 1 || !NOT_JOINT.includes(name)) &&
        given.every((other) => other.module.established.includes(name)),
    ),
    nextId: count,
  };
  return { module, tasks };
}

interface Part extends TaskModule {
  readonly renaming: Renaming;
}

function linkedTask({ task, module, renaming: names }: Part, index: number): LinkedTask {
  const entries: Partial<Record<EntryName, Entry>> = {};
  for (const name of ENTRY_NAMES) {
    const entry = module.entries[name];
    if (entry !== undefined) entries[name] = renameEntry(names, entry);
  }
  const towers = Array.from({ length: module.towers }, (_, t) => index * module.towers + t);
  return { task, entries, towers, nodes: names.nodes, resources: names.resources };
}

function allResources(
  parts: readonly Part[],
  { resources, owners }: MergedResources,
): Map<ResourceId, Resource> {
  return new Map(
    [...resources].map(([id, resource]) => {
      const { renaming: names } = parts[owners.get(id) ?? 0] as Part;
      return [id, { ...resource, origin: renameOrigin(names, resource.origin) }];
    }),
  );
}

function allNodes(parts: readonly Part[]): Map<NodeId, Node> {
  const nodes = new Map<NodeId, Node>();
  for (const { module, renaming: names } of parts) {
    for (const node of module.graph.nodes.values()) {
      const renamed = renameNode(names, node);
      nodes.set(renamed.id, renamed);
    }
  }
  return nodes;
}

/** Each entry that a task has, with the parts of all tasks that have it. */
function jointEntries(parts: readonly Part[], tasks: readonly LinkedTask[]): Module['entries'] {
  const joint: Partial<Record<EntryName, Entry>> = {};
  for (const name of ENTRY_NAMES) {
    const own = tasks.flatMap(({ entries }, i) => {
      const entry = entries[name];
      return entry === undefined ? [] : [{ entry, names: (parts[i] as Part).renaming }];
    });
    if (own.length > 0) joint[name] = jointEntry(name, own);
  }
  return joint;
}

interface OwnEntry {
  readonly entry: Entry;
  readonly names: Renaming;
}

/** Round by round, the last rounds together, since fetches are taken there. */
function jointEntry(name: EntryName, own: readonly OwnEntry[]): Entry {
  const length = Math.max(...own.map(({ entry }) => entry.rounds.length));
  const rounds = Array.from({ length }, (_, round) =>
    own.flatMap(({ entry }) => entry.rounds[round - length + entry.rounds.length] ?? []),
  );
  return {
    name,
    feeds: own.flatMap(({ entry, names }) =>
      entry.feeds.map((feed) => ({ name: names.name(feed.name), node: feed.node })),
    ),
    fetches: own.flatMap(({ entry, names }) =>
      entry.fetches.map((fetch) => ({ name: names.name(fetch.name), tensor: fetch.tensor })),
    ),
    rounds,
  };
}

/** Of what tasks share each has decided the same: it is said once. */
function allDecisions(parts: readonly Part[], isShared: (decision: Decision) => boolean): Decision[] {
  const said = new Set<string>();
  return parts.flatMap((part) =>
    part.module.decisions.flatMap((decision) => {
      const renamed = renameDecision(part.renaming, decision);
      if (renamed === null) return [];
      if (!isShared(renamed)) return [renamed];
      const text = JSON.stringify(renamed);
      if (said.has(text)) return [];
      said.add(text);
      return [renamed];
    }),
  );
}
