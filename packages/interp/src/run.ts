import {
  compatible,
  formatType,
  isBuffer,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  PlacewrightError,
  putsIntoBuffer,
  type ResourceId,
  resourceName,
  type TensorRef,
  type TensorValue,
  takesFromBuffer,
} from '@placewright/ir';
import { type Kernel, kernelContext } from './kernel.js';
import { sumInOrder } from './kernels/communication.js';
import type { Group, Plan } from './plan.js';
import { roundHalf } from './rounding.js';
import { type ReadySet, readySet, type Schedule } from './schedule.js';
import { resourceOf, type State } from './state.js';
import { mustWait, type StateKernel, stateContext, stateKernels } from './state-ops.js';

/** What a run needs beside its plan. */
export interface Frame {
  readonly module: Module;
  readonly state: State;
  readonly kernels: ReadonlyMap<string, Kernel>;
  readonly feeds: ReadonlyMap<NodeId, TensorValue>;
}

/** A round while it runs. */
interface Progress extends Frame {
  readonly plan: Plan;
  /** Outputs of nodes that have run and are still needed. */
  readonly values: (readonly TensorValue[] | undefined)[];
  /** Predecessors that have not run yet. */
  readonly waiting: Int32Array;
  /** Inputs and fetches that have not taken the node's value yet. */
  readonly uses: Int32Array;
  readonly ready: ReadySet;
  /** Staging ops that wait for their area to change. */
  readonly parked: Map<ResourceId, number[]>;
  readonly arrived: Map<Group, number>;
}

const stateTable: ReadonlyMap<string, StateKernel> = new Map(Object.entries(stateKernels));

export function isStateOp(op: string): boolean {
  return stateTable.has(op);
}

/**
 * Runs all nodes of a round once and gives the values of `fetches`. A value is freed when its last consumer has run.
 * An error leaves the effects of what ran before it. Throws PW_DEADLOCK, PW_KERNEL_*, PW_VARIABLE_*.
 */
export function runRound(
  frame: Frame,
  plan: Plan,
  schedule: Schedule | undefined,
  fetches: readonly TensorRef[],
): TensorValue[] {
  const progress: Progress = {
    ...frame,
    plan,
    values: new Array(plan.nodes.length),
    waiting: plan.waiting.slice(),
    uses: plan.uses.slice(),
    ready: readySet(schedule, plan.nodes),
    parked: new Map(),
    arrived: new Map(),
  };
  progress.waiting.forEach((count, i) => {
    if (count === 0) arrive(progress, i);
  });
  let left = plan.nodes.length;
  while (left > 0) {
    const index = takeReady(progress);
    if (index === undefined) throw deadlock(progress);
    left -= fire(progress, index);
  }
  return fetches.map((ref) => tensorAt(progress, ref));
}

function takeReady(progress: Progress): number | undefined {
  const { module, state, plan, parked } = progress;
  const waits = (i: number): boolean => mustWait(module, state, plan.nodes[i] as Node);
  const park = (i: number): void => {
    const [area] = (plan.nodes[i] as Node).resources;
    if (area === undefined) return;
    const others = parked.get(area);
    if (others === undefined) parked.set(area, [i]);
    else others.push(i);
  };
  return progress.ready.take(waits, park);
}

/** All predecessors of a node have run. A member of a group is ready only with all others. */
function arrive(progress: Progress, index: number): void {
  const group = progress.plan.groups.get(index);
  if (group === undefined) {
    progress.ready.add(index);
    return;
  }
  const count = (progress.arrived.get(group) ?? 0) + 1;
  progress.arrived.set(group, count);
  if (count === group.wanted && group.members.length === group.wanted)
    progress.ready.add(group.members[0] ?? index);
}

/** Runs a node, or a whole group, and gives how many nodes that were. */
function fire(progress: Progress, index: number): number {
  const group = progress.plan.groups.get(index);
  if (group === undefined) {
    finish(progress, index, outputsOf(progress, index));
    return 1;
  }
  const outputs = runGroup(progress, group);
  progress.arrived.delete(group);
  group.members.forEach((member, i) => {
    finish(progress, member, outputs[i] ?? []);
  });
  return group.members.length;
}

function runGroup(progress: Progress, group: Group): (readonly TensorValue[])[] {
  if (group.op === 'Barrier') return group.members.map(() => []);
  const node = progress.plan.nodes[group.members[0] ?? 0] as Node;
  return guarded(node, () => {
    const values = group.members.map((member) => inputsOf(progress, progress.plan.nodes[member] as Node)[0]);
    const sum = roundHalf(sumInOrder(values as [TensorValue, ...TensorValue[]]));
    return group.members.map((member) => checked(progress.plan.nodes[member] as Node, [sum]));
  });
}

function outputsOf(progress: Progress, index: number): readonly TensorValue[] {
  const node = progress.plan.nodes[index] as Node;
  return guarded(node, () => {
    if (node.op === 'Placeholder') return [progress.feeds.get(node.id) as TensorValue];
    const inputs = inputsOf(progress, node);
    const stateful = stateTable.get(node.op);
    if (stateful !== undefined) {
      return checked(node, stateful(stateContext(progress.module, progress.state, node, inputs)));
    }
    const kernel = progress.kernels.get(node.op);
    if (kernel === undefined)
      throw new PlacewrightError('PW_KERNEL_MISSING', `there is no kernel for ${node.op}`);
    return checked(node, kernel(kernelContext(node, inputs)).map(roundHalf));
  });
}

/** Runs `body` with the node's name on every error, and a code on errors that have none. */
function guarded<T>(node: Node, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const where = { node: nodeName(node) };
    if (error instanceof PlacewrightError) throw error.at(where);
    const text = error instanceof Error ? error.message : String(error);
    throw new PlacewrightError('PW_KERNEL_FAILED', `${node.op}: ${text}`, {
      where,
      cause: error,
      hint: 'the kernel threw this; for an op of your own, mend its kernel, else report it',
    });
  }
}

/** Outputs as declared, or PW_KERNEL_OUTPUT: either the kernel or the op's shape function is wrong. */
function checked(node: Node, outputs: readonly TensorValue[]): readonly TensorValue[] {
  const fits = (value: TensorValue | undefined, i: number): boolean => {
    const type = node.outputs[i];
    return type !== undefined && type.dtype === value?.dtype && compatible(type.shape, value.shape);
  };
  if (outputs.length === node.outputs.length && outputs.every(fits)) return outputs;
  const show = (
    types: readonly { dtype: TensorValue['dtype']; shape: readonly (number | null)[] }[],
  ): string => types.map(formatType).join(', ') || 'nothing';
  throw new PlacewrightError(
    'PW_KERNEL_OUTPUT',
    `${node.op} gave ${show(outputs)} and is declared to give ${show(node.outputs)}`,
    {
      kind: 'internal',
      hint: "the kernel or the op's shape function is wrong",
    },
  );
}

function tensorAt({ plan, values }: Progress, { node, port }: TensorRef): TensorValue {
  const value = values[plan.index.get(node) ?? -1]?.[port];
  if (value === undefined)
    throw new PlacewrightError('PW_DANGLING_EDGE', `there is no tensor ${node}:${port}`);
  return value;
}

function inputsOf(progress: Progress, node: Node): TensorValue[] {
  return node.inputs.map((ref) => tensorAt(progress, ref));
}

/** Keeps a node's outputs as long as they are needed, frees its inputs, and lets its successors and waiters go on. */
function finish(progress: Progress, index: number, outputs: readonly TensorValue[]): void {
  const { plan, values, uses, waiting, parked, ready } = progress;
  const node = plan.nodes[index] as Node;
  if ((uses[index] as number) > 0) values[index] = outputs;
  for (const ref of node.inputs) {
    const producer = plan.index.get(ref.node) ?? -1;
    const left = (uses[producer] ?? 0) - 1;
    uses[producer] = left;
    if (left === 0) values[producer] = undefined;
  }
  const [area] = putsIntoBuffer(node.op) || takesFromBuffer(node.op) ? node.resources : [];
  if (area !== undefined) {
    for (const waiter of parked.get(area) ?? []) ready.add(waiter);
    parked.delete(area);
  }
  for (const next of plan.successors[index] ?? []) {
    const left = (waiting[next] as number) - 1;
    waiting[next] = left;
    if (left === 0) arrive(progress, next);
  }
}

const SHOWN = 8;

/** What a node waits for. */
interface WaitReason {
  readonly node: string;
  readonly text: string;
}

function deadlock(progress: Progress): PlacewrightError {
  const reasons = [...areaReasons(progress), ...groupReasons(progress)];
  const [first] = reasons;
  const shown = reasons.slice(0, SHOWN).map(({ text }) => text);
  if (reasons.length > SHOWN) shown.push(`and ${reasons.length - SHOWN} more wait`);
  return new PlacewrightError('PW_DEADLOCK', `no node can run: ${shown.join('; ')}`, {
    where: first === undefined ? {} : { node: first.node },
    hint: 'run warmUp before step to fill the staging areas, and check that each collective has all its members',
  });
}

function areaReasons({ parked, plan, module, state }: Progress): WaitReason[] {
  return [...parked].flatMap(([id, waiters]) => {
    const area = resourceOf(module, id);
    const depth = state.areas.get(id)?.length ?? 0;
    const room = isBuffer(area) ? area.capacity : 0;
    return waiters.map((i) => {
      const node = plan.nodes[i] as Node;
      const what = `${takesFromBuffer(node.op) ? 'a value in' : 'room in'} ${JSON.stringify(resourceName(area))}`;
      const name = nodeName(node);
      return { node: name, text: `${name} waits for ${what} (holds ${depth}, room for ${room})` };
    });
  });
}

function groupReasons({ plan, waiting, arrived }: Progress): WaitReason[] {
  return [...arrived.keys()].map((group) => {
    const there = group.members.filter((member) => waiting[member] === 0);
    const names = there.map((member) => nodeName(plan.nodes[member] as Node)).slice(0, SHOWN);
    const count = `${there.length} of ${group.wanted} are there, the entry runs ${group.members.length}`;
    const text = `${names.join(', ')} waits for the other members of ${JSON.stringify(group.name)} (${count})`;
    return { node: names[0] ?? '', text };
  });
}
