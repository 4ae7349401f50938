import {
  type Entry,
  type Node,
  type NodeId,
  PlacewrightError,
  putsIntoBuffer,
  type ResourceId,
  type TensorRef,
  type TensorValue,
  takesFromBuffer,
} from '@placewright/ir';
import { checked, computeNode, type Frame, guarded } from './compute.js';
import { copyOf } from './data.js';
import { sumInOrder } from './kernels/communication.js';
import type { Group, Plan } from './plan.js';
import { roundHalf } from './rounding.js';
import type { ReadySet, ReadyView } from './schedule.js';
import { mustWait } from './state-ops.js';

// One shared state, any number of runs under way over it, and one set of all that may run next.

/** What a run does: rounds one after the other, and the tensors that it gives at its end, by name. */
export interface Job {
  readonly entry: Entry['name'];
  /** Who runs it, for messages: `worker 1`; empty where there is nobody else. */
  readonly who: string;
  readonly rounds: readonly Plan[];
  readonly feeds: ReadonlyMap<NodeId, TensorValue>;
  readonly fetches: ReadonlyMap<string, TensorRef>;
}

/** A run under way. */
export interface Flight {
  /** In the order in which they began. */
  readonly id: number;
  readonly job: Job;
  round: number;
  plan: Plan;
  /** Outputs of nodes that have run and are still needed. */
  values: (readonly TensorValue[] | undefined)[];
  /** Predecessors that have not run yet. */
  waiting: Int32Array;
  /** Inputs and fetches that have not taken the node's value yet. */
  uses: Int32Array;
  /** 1 for nodes that have run. */
  fired: Uint8Array;
  arrived: Map<Group, number>;
  /** Nodes of the round that have not run. */
  left: number;
  /** What it gives, when it is done. */
  result: ReadonlyMap<string, TensorValue> | null;
}

/** A node of a run that may run, with those of any run that run together with it at a barrier (itself among them). */
export interface Item {
  readonly flight: Flight;
  readonly index: number;
  readonly party: readonly Item[] | null;
}

/** Where what may run is kept; `take` is for whoever drives the machine. */
type Ready = Pick<ReadySet<Item>, 'add' | 'drop'>;

export interface Machine<R extends Ready = Ready> extends Frame {
  readonly ready: R;
  /** Ops on a buffer that wait for it to change, with a driver that parks them. */
  readonly parked: Map<ResourceId, Item[]>;
  /** Who waits at a barrier that not all have come to. */
  readonly arrivals: Map<ResourceId, Item[]>;
  readonly flights: Set<Flight>;
}

export function createMachine<R extends Ready>(frame: Frame, ready: R): Machine<R> {
  return { ...frame, ready, parked: new Map(), arrivals: new Map(), flights: new Set() };
}

/** Items in the order of their runs, then topologically. */
export const itemView: ReadyView<Item> = {
  order: (a, b) => a.flight.id - b.flight.id || a.index - b.index,
  node: itemNode,
};

export function itemNode({ flight, index }: Item): Node {
  return flight.plan.nodes[index] as Node;
}

/** Begins a run; one without nodes is done at once. */
export function startFlight(machine: Machine, id: number, job: Job): Flight {
  const [plan] = job.rounds;
  if (plan === undefined)
    throw new PlacewrightError('PW_INTERNAL_PLAN', 'an entry has no rounds', { kind: 'internal' });
  const flight: Flight = { id, job, round: 0, result: null, ...freshRound(plan) };
  machine.flights.add(flight);
  beginRound(machine, flight);
  advance(machine, flight);
  return flight;
}

type RoundState = Pick<Flight, 'plan' | 'values' | 'waiting' | 'uses' | 'fired' | 'arrived' | 'left'>;

function freshRound(plan: Plan): RoundState {
  const count = plan.nodes.length;
  return {
    plan,
    values: new Array(count),
    waiting: plan.waiting.slice(),
    uses: plan.uses.slice(),
    fired: new Uint8Array(count),
    arrived: new Map(),
    left: count,
  };
}

function beginRound(machine: Machine, flight: Flight): void {
  flight.waiting.forEach((count, i) => {
    if (count === 0) arrive(machine, flight, i);
  });
}

/** Goes to the next round, or to the end, where nothing is left of this one. */
function advance(machine: Machine, flight: Flight): void {
  while (flight.left === 0 && flight.result === null) {
    const next = flight.job.rounds[flight.round + 1];
    if (next === undefined) {
      flight.result = new Map(
        [...flight.job.fetches].map(([name, ref]) => [name, copyOf(tensorAt(flight, ref))]),
      );
      machine.flights.delete(flight);
      return;
    }
    flight.round += 1;
    Object.assign(flight, freshRound(next));
    beginRound(machine, flight);
  }
}

/** Takes a run out that will not go on. What it has done stays. */
export function dropFlight(machine: Machine, flight: Flight): void {
  machine.flights.delete(flight);
  const isGone = (item: Item): boolean => item.flight === flight;
  // A party whose members had all come goes on without it.
  machine.ready.drop((item) => (item.party === null ? isGone(item) : item.party.every(isGone)));
  for (const lists of [machine.parked, machine.arrivals]) {
    for (const [id, items] of lists)
      lists.set(
        id,
        items.filter((item) => !isGone(item)),
      );
  }
}

/** Whether an op on a buffer has to wait for it. */
export function isWaiting({ module, state }: Machine, item: Item): boolean {
  return mustWait(module, state, itemNode(item));
}

/** Takes one item that need not wait, and parks those that must; undefined when there is none. */
export function takeReady(machine: Machine<ReadySet<Item>>): Item | undefined {
  const park = (item: Item): void => {
    const [area] = itemNode(item).resources;
    if (area === undefined) return;
    const others = machine.parked.get(area);
    if (others === undefined) machine.parked.set(area, [item]);
    else others.push(item);
  };
  return machine.ready.take((item) => isWaiting(machine, item), park);
}

/** All predecessors of a node have run. A member of a group is ready only with all others. */
function arrive(machine: Machine, flight: Flight, index: number): void {
  const group = flight.plan.groups.get(index);
  if (group === undefined) {
    machine.ready.add({ flight, index, party: null });
    return;
  }
  if (group.barrier !== null && group.members.length <= group.wanted) {
    arriveAtBarrier(machine, group, group.barrier, { flight, index, party: null });
    return;
  }
  const count = (flight.arrived.get(group) ?? 0) + 1;
  flight.arrived.set(group, count);
  if (count === group.wanted && group.members.length === group.wanted)
    machine.ready.add({ flight, index: group.members[0] ?? index, party: null });
}

/** Parties come from any run; as many as the barrier wants go on together, shown by the first of them. */
function arriveAtBarrier(machine: Machine, { wanted }: Group, barrier: ResourceId, item: Item): void {
  const there = [...(machine.arrivals.get(barrier) ?? []), item];
  machine.arrivals.set(barrier, there.length < wanted ? there : []);
  if (there.length < wanted) return;
  const place = ({ flight, index }: Item): number =>
    flight.plan.groups.get(index)?.members.indexOf(index) ?? 0;
  const party = there.toSorted((a, b) => a.flight.id - b.flight.id || place(a) - place(b));
  machine.ready.add({ ...(party[0] ?? item), party });
}

/**
 * Runs a node, or all that run together with it. A value is freed when its last consumer has run.
 * Throws PW_KERNEL_*, PW_VARIABLE_*; the run must then be dropped.
 */
export function fire(machine: Machine, item: Item): void {
  const { flight, index, party } = item;
  const group = flight.plan.groups.get(index);
  const together = party?.filter((other) => machine.flights.has(other.flight)) ?? [item];
  if (party !== null) for (const { flight: other, index: at } of together) finish(machine, other, at, []);
  else if (group === undefined) {
    const inputs = inputsOf(flight, itemNode(item));
    finish(machine, flight, index, computeNode(machine, itemNode(item), inputs, flight.job.feeds));
  } else fireGroup(machine, flight, group);
  for (const { flight: other } of together) advance(machine, other);
}

function fireGroup(machine: Machine, flight: Flight, group: Group): void {
  const outputs = sumGroup(flight, group);
  flight.arrived.delete(group);
  group.members.forEach((member, i) => {
    finish(machine, flight, member, outputs[i] ?? []);
  });
}

function sumGroup(flight: Flight, group: Group): (readonly TensorValue[])[] {
  const nodes = group.members.map((member) => flight.plan.nodes[member] as Node);
  return guarded(nodes[0] as Node, () => {
    const values = nodes.map((node) => inputsOf(flight, node)[0]);
    const sum = roundHalf(sumInOrder(values as [TensorValue, ...TensorValue[]]));
    return nodes.map((node) => checked(node, [sum]));
  });
}

function tensorAt({ plan, values }: Flight, { node, port }: TensorRef): TensorValue {
  const value = values[plan.index.get(node) ?? -1]?.[port];
  if (value === undefined)
    throw new PlacewrightError('PW_DANGLING_EDGE', `there is no tensor ${node}:${port}`);
  return value;
}

function inputsOf(flight: Flight, node: Node): TensorValue[] {
  return node.inputs.map((ref) => tensorAt(flight, ref));
}

/** Keeps a node's outputs as long as they are needed, frees its inputs, and lets its successors and waiters go on. */
function finish(machine: Machine, flight: Flight, index: number, outputs: readonly TensorValue[]): void {
  const { plan, values, uses, waiting, fired } = flight;
  const node = plan.nodes[index] as Node;
  fired[index] = 1;
  flight.left -= 1;
  if ((uses[index] as number) > 0) values[index] = outputs;
  for (const ref of node.inputs) {
    const producer = plan.index.get(ref.node) ?? -1;
    const left = (uses[producer] ?? 0) - 1;
    uses[producer] = left;
    if (left === 0) values[producer] = undefined;
  }
  if (putsIntoBuffer(node.op) || takesFromBuffer(node.op)) wake(machine, node.resources[0]);
  for (const next of plan.successors[index] ?? []) {
    const left = (waiting[next] as number) - 1;
    waiting[next] = left;
    if (left === 0) arrive(machine, flight, next);
  }
}

/** Lets the ops that wait for a buffer look at it again. */
export function wake({ parked, ready }: Machine, buffer: ResourceId | undefined): void {
  if (buffer === undefined) return;
  for (const waiter of parked.get(buffer) ?? []) ready.add(waiter);
  parked.delete(buffer);
}
