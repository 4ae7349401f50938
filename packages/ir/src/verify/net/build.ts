import { isBuffer, tuplesTaken } from '../../buffers.js';
import type { EntryName, Node, NodeId, ResourceId } from '../../graph.js';
import { calmAreas } from '../area-levels.js';
import type { Access, RoundView, VerifyContext } from '../invariant.js';
import { once } from '../once.js';
import { BEFORE_STEPS } from '../program.js';
import { addBits, type Bits, noBits, setBit } from './bits.js';
import { type Few, type Marks, nearestBefore, roundGraph } from './flow.js';
import {
  type Action,
  inSequence,
  type NetBarrier,
  type NetBuffer,
  type NetRound,
  type NetTask,
  type Place,
  type SyncNet,
  type Transition,
} from './net.js';

/**
 * The net of all tasks. Staging areas that never make anything wait are left out; where tasks are missing, so are queues
 * and barriers: the others are taken to answer.
 */
export function buildNet(context: VerifyContext): SyncNet {
  const actions = actionsOf(context);
  const tasks = context.tasks().map(({ label }, task) => buildTask(context, actions, label, task));
  const net: SyncNet = { tasks, buffers: [], barriers: [] };
  const places = placesByResource(net, actions);
  const buffers = [...actions.buffers].map((id) => buildBuffer(context, net, id, places.get(id) ?? []));
  const barriers = [...actions.barriers].map((id) => buildBarrier(context, id, places.get(id) ?? []));
  return { tasks, buffers: buffers.flat(), barriers: barriers.flat() };
}

/** The nodes that may wait, and what they wait for; buffers and barriers are numbered in the order of the sets. */
interface Actions {
  readonly byNode: ReadonlyMap<NodeId, Exclude<Action, { kind: 'together' }>>;
  readonly buffers: ReadonlySet<ResourceId>;
  readonly barriers: ReadonlySet<ResourceId>;
}

function actionsOf(context: VerifyContext): Actions {
  const byNode = new Map<NodeId, Exclude<Action, { kind: 'together' }>>();
  const buffers = new Map<ResourceId, number>();
  const barriers = new Map<ResourceId, number>();
  const all = context.complete();
  const calm = calmAreas(context);
  for (const access of context.accesses()) {
    const { node, resource } = access;
    if (resource.kind === 'stagingArea' ? calm.has(resource.id) : !all) continue;
    if (resource.kind === 'barrier') {
      byNode.set(node.id, { kind: 'meet', barrier: numberOf(barriers, resource.id) });
    } else if (isBuffer(resource)) {
      const buffer = numberOf(buffers, resource.id);
      byNode.set(node.id, bufferAction(access, buffer));
    }
  }
  return { byNode, buffers: new Set(buffers.keys()), barriers: new Set(barriers.keys()) };
}

function numberOf(numbers: Map<ResourceId, number>, id: ResourceId): number {
  const known = numbers.get(id) ?? numbers.size;
  numbers.set(id, known);
  return known;
}

function bufferAction({ node, effect }: Access, buffer: number): Exclude<Action, { kind: 'together' }> {
  if (effect !== 'get') return { kind: 'put', buffer };
  return { kind: 'get', buffer, count: node.op === 'QueueDequeueManyV2' ? tuplesTaken(node) : 1 };
}

function buildTask(context: VerifyContext, actions: Actions, label: string, task: number): NetTask {
  const views = context.rounds().filter((view) => view.task === task);
  const having = (name: EntryName): RoundView[] => views.filter(({ entry }) => entry === name);
  const before = BEFORE_STEPS.flatMap(having);
  const rounds = [...before, ...having('step')].map((view) => buildRound(context, actions, view));
  return { label, rounds, prologue: before.length, init: having('init').length };
}

function buildRound(context: VerifyContext, actions: Actions, view: RoundView): NetRound {
  if (!hasTransitions(context, actions, view))
    return { view, transitions: [], transitionOf: new Map(), ...edgesOf([]) };
  const graph = roundGraph(context.order(), context.position(), view.nodes);
  const { transitions, transitionOf, marks } = markTransitions(graph.nodes, actions);
  const round = { view, transitions, transitionOf };
  const sets = nearestBefore(graph, marks, transitions.length);
  const before = transitions.map(({ nodes }) => [
    ...new Set(nodes.flatMap(({ id }) => sets[graph.index.get(id) ?? 0] ?? [])),
  ]);
  return { ...round, ...edgesOf(before) };
}

function hasTransitions({ module }: VerifyContext, { byNode }: Actions, { nodes }: RoundView): boolean {
  for (const id of nodes) {
    const node = module.graph.nodes.get(id);
    if (byNode.has(id) || (node !== undefined && collectiveName(node) !== null)) return true;
  }
  return false;
}

interface Marked {
  readonly transitions: readonly Transition[];
  readonly transitionOf: ReadonlyMap<NodeId, number>;
  readonly marks: Marks;
}

function markTransitions(nodes: readonly Node[], { byNode }: Actions): Marked {
  const transitions: { nodes: [Node, ...Node[]]; action: Action }[] = [];
  const transitionOf = new Map<NodeId, number>();
  const collectives = new Map<string, number>();
  const marks = new Int32Array(nodes.length).fill(-1);
  const mark = (node: Node, i: number, at: number): void => {
    transitionOf.set(node.id, at);
    marks[i] = at;
  };
  nodes.forEach((node, i) => {
    const action = byNode.get(node.id);
    const name = action === undefined ? collectiveName(node) : null;
    const group = name === null ? undefined : collectives.get(name);
    if (group !== undefined) {
      transitions[group]?.nodes.push(node);
      mark(node, i, group);
    } else if (action !== undefined || name !== null) {
      mark(node, i, transitions.length);
      if (name !== null) collectives.set(name, transitions.length);
      transitions.push({ nodes: [node], action: action ?? { kind: 'together', complete: false } });
    }
  });
  return { transitions: transitions.map(completed), transitionOf, marks };
}

function collectiveName({ op, attrs }: Node): string | null {
  const name = attrs.get('shared_name');
  return op === 'NcclAllReduce' && name?.kind === 'string' ? name.value : null;
}

/** With members by tower, as the interpreter has them, and whether all are there. */
function completed({ nodes, action }: Transition): Transition {
  if (action.kind !== 'together') return { nodes, action };
  const members = nodes.toSorted((a, b) => (a.replica ?? -1) - (b.replica ?? -1)) as [Node, ...Node[]];
  const count = nodes[0].attrs.get('num_devices');
  return { nodes: members, action: { kind: 'together', complete: count?.value === nodes.length } };
}

function edgesOf(nearest: readonly Few[]): Pick<NetRound, 'waiting' | 'next' | 'before'> {
  const next: number[][] = nearest.map(() => []);
  nearest.forEach((list, t) => {
    for (const from of list) next[from]?.push(t);
  });
  const waiting = Int32Array.from(nearest, ({ length }) => length);
  return { next, waiting, before: once(() => closure(nearest, next, waiting)) };
}

/** All transitions before each, in topological order; what waits for itself around a cycle has what is nearest alone. */
function closure(
  nearest: readonly Few[],
  next: readonly (readonly number[])[],
  waiting: Int32Array,
): readonly Bits[] {
  const all = nearest.map((list) => {
    const bits = noBits(nearest.length);
    for (const before of list) setBit(bits, before);
    return bits;
  });
  const open = waiting.slice();
  const ready = nearest.flatMap(({ length }, t) => (length === 0 ? [t] : []));
  for (let t = ready.pop(); t !== undefined; t = ready.pop()) {
    for (const before of nearest[t] ?? []) addBits(all[t] as Bits, all[before] as Bits);
    for (const after of next[t] ?? []) {
      open[after] = (open[after] ?? 0) - 1;
      if (open[after] === 0) ready.push(after);
    }
  }
  return all;
}

function placesByResource(net: SyncNet, { buffers, barriers }: Actions): Map<ResourceId, Place[]> {
  const [bufferIds, barrierIds] = [[...buffers], [...barriers]];
  const out = new Map<ResourceId, Place[]>();
  net.tasks.forEach(({ rounds }, task) => {
    rounds.forEach(({ transitions }, round) => {
      transitions.forEach(({ action }, transition) => {
        if (action.kind === 'together') return;
        const id = action.kind === 'meet' ? barrierIds[action.barrier] : bufferIds[action.buffer];
        if (id === undefined) return;
        const list = out.get(id);
        if (list === undefined) out.set(id, [{ task, round, transition }]);
        else list.push({ task, round, transition });
      });
    });
  });
  return out;
}

function buildBuffer(
  { module }: VerifyContext,
  net: SyncNet,
  id: ResourceId,
  places: readonly Place[],
): NetBuffer[] {
  const resource = module.resources.get(id);
  if (!isBuffer(resource)) return [];
  const kindAt = ({ task, round, transition }: Place): string | undefined =>
    net.tasks[task]?.rounds[round]?.transitions[transition]?.action.kind;
  const puts = places.filter((place) => kindAt(place) === 'put');
  const gets = places.filter((place) => kindAt(place) === 'get');
  const contended = !allInSequence(net, puts);
  const capacity = resource.capacity > 0 ? resource.capacity : Number.POSITIVE_INFINITY;
  return [{ resource, capacity, puts, gets, contended }];
}

/** Whether no schedule decides which of the places comes first. */
export function allInSequence(net: SyncNet, places: readonly Place[]): boolean {
  return places.every((a, i) => places.slice(i + 1).every((b) => inSequence(net, a, b)));
}

function buildBarrier({ module }: VerifyContext, id: ResourceId, meets: readonly Place[]): NetBarrier[] {
  const resource = module.resources.get(id);
  return resource?.kind === 'barrier' ? [{ resource, meets }] : [];
}
