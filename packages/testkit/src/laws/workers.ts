import {
  type Entry,
  getAttr,
  type LinkedModule,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  nodeOf,
  predecessors,
  type ResourceId,
  resourceName,
} from '@placewright/ir';
import type { Contract } from '@placewright/passes';
import { clusterCase } from '../cluster-case.js';
import { type Law, must } from './law.js';

/**
 * What several workers promise each other, seen in their linked graph alone: each token that is put is taken, each
 * shared variable is initialised once, and what two workers do to it has an order wherever the contract names no skew.
 * Two updates need none: they add.
 */
export const workersLaw: Law = {
  name: 'workers',
  summary: 'workers take as many tokens as they put, and order what they do to shared variables',
  check: ({ case: plan }) => {
    if (plan.cluster.servers === 0) return;
    const { linked, contract } = clusterCase(plan);
    checkTokens(linked);
    checkInitialisation(linked);
    checkSteps(linked, contract);
  },
};

/** Nodes by the queue that they act on. */
function usersOf({ graph }: Module, queue: ResourceId): Node[] {
  return [...graph.nodes.values()].filter(({ resources }) => resources.includes(queue));
}

/** In each entry that uses a queue at all, every worker but one puts one token, and that one takes them all. */
function checkTokens({ module, tasks }: LinkedModule): void {
  for (const queue of module.resources.values()) {
    if (queue.kind !== 'queue') continue;
    must(/^\/job:ps\//.test(queue.device), () => `${queue.name} is on ${queue.device}`);
    const users = usersOf(module, queue.id);
    const puts = users.filter(({ op }) => op === 'QueueEnqueueV2');
    const gets = users.filter(({ op }) => op === 'QueueDequeueManyV2');
    const taken = gets.reduce((sum, node) => sum + getAttr(node, 'n', 'int'), 0);
    const all = tasks.length - 1;
    must(
      gets.length === 1 && taken === all && puts.length === all && queue.capacity >= taken,
      () => `${queue.name} gets ${puts.length} tokens, and ${taken} are taken by ${gets.length}`,
    );
    const owners = new Set(users.map(({ id }) => ownerOf(tasks, id)));
    must(owners.size === tasks.length, () => `${queue.name} is used by tasks ${[...owners]}`);
    for (const entry of Object.values(module.entries)) {
      const running = ancestorsOf(module, targetsOf(entry));
      const used = users.filter(({ id }) => running.has(id)).length;
      must(
        used === 0 || used === users.length,
        () => `${entry.name} runs ${used} of ${users.length} that use ${queue.name}`,
      );
    }
  }
}

function ownerOf(tasks: LinkedModule['tasks'], id: NodeId): number {
  return tasks.findIndex(({ nodes }) => [...nodes.values()].includes(id));
}

/** Nodes that act on each variable that several tasks share. */
function sharedAccesses({ module, tasks }: LinkedModule): Map<ResourceId, Node[]> {
  const out = new Map<ResourceId, Node[]>();
  for (const { id, kind } of module.resources.values()) {
    if (kind !== 'variable') continue;
    const users = tasks.filter(({ resources }) => [...resources.values()].includes(id));
    if (users.length > 1) out.set(id, usersOf(module, id));
  }
  return out;
}

const isRead = ({ op }: Node): boolean => op === 'ReadVariableOp';
const targetsOf = ({ rounds, fetches }: Entry): NodeId[] => [
  ...rounds.flat(),
  ...fetches.map(({ tensor }) => tensor.node),
];

/** What must have run before one of the nodes: what it depends on, and what puts the tokens that it takes. */
function ancestorsOf(module: Module, from: readonly NodeId[]): Set<NodeId> {
  const putters = new Map<ResourceId, NodeId[]>();
  for (const { id, op, resources } of module.graph.nodes.values()) {
    const [queue] = resources;
    if (op !== 'QueueEnqueueV2' || queue === undefined) continue;
    putters.set(queue, [...(putters.get(queue) ?? []), id]);
  }
  const seen = new Set(from);
  for (const id of seen) {
    const node = nodeOf(module.graph, id);
    const [queue] = node.op === 'QueueDequeueManyV2' ? node.resources : [];
    for (const before of predecessors(node)) seen.add(before);
    for (const before of queue === undefined ? [] : (putters.get(queue) ?? [])) seen.add(before);
  }
  return seen;
}

function checkInitialisation(linked: LinkedModule): void {
  const { module } = linked;
  const init = module.entries.init;
  const running = ancestorsOf(module, init === undefined ? [] : targetsOf(init));
  for (const [id, users] of sharedAccesses(linked)) {
    const writes = users.filter((node) => !isRead(node) && running.has(node.id)).length;
    must(writes === 1, () => `${nameOf(module, id)} is initialised by ${writes} tasks`);
  }
}

function nameOf(module: Module, id: ResourceId): string {
  const resource = module.resources.get(id);
  return resource === undefined ? id : resourceName(resource);
}

/** Within a step, and from one step of a worker to the next. */
function checkSteps(linked: LinkedModule, { permittedSkew }: Contract): void {
  if (permittedSkew === 'otherWorkers') return;
  const { module, tasks } = linked;
  const step = module.entries.step === undefined ? [] : targetsOf(module.entries.step);
  const running = ancestorsOf(module, step);
  const ends = tasks.map(({ entries }) =>
    ancestorsOf(module, entries.step === undefined ? [] : targetsOf(entries.step)),
  );
  const starts = tasks.map(({ entries }) =>
    ancestorsOf(module, entries.postInit === undefined ? [] : targetsOf(entries.postInit)),
  );
  const copying = new Set(starts.flatMap((start) => [...start]));
  for (const [id, users] of sharedAccesses(linked)) {
    const name = nameOf(module, id);
    const acting = users.filter((node) => running.has(node.id));
    checkPairs(module, name, acting);
    for (const node of acting)
      must(
        ends.every((end) => end.has(node.id)),
        () => `a worker can begin its next step before ${nodeName(node)} has run, which acts on ${name}`,
      );
    for (const node of users.filter((user) => copying.has(user.id)))
      must(
        starts.every((start) => start.has(node.id)),
        () => `a worker can begin to train before ${nodeName(node)} has copied ${name}`,
      );
  }
}

/** Every read comes before or after every write. */
function checkPairs(module: Module, name: string, acting: readonly Node[]): void {
  const before = new Map(acting.map(({ id }) => [id, ancestorsOf(module, [id])]));
  const ordered = (a: Node, b: Node): boolean =>
    before.get(a.id)?.has(b.id) === true || before.get(b.id)?.has(a.id) === true;
  const writes = acting.filter((node) => !isRead(node));
  for (const read of acting.filter(isRead))
    for (const write of writes)
      must(ordered(read, write), () => `${nodeName(read)} and ${nodeName(write)} act on ${name} in no order`);
}
