import type { BufferResource } from '../../buffers.js';
import type { BarrierResource, Node, NodeId } from '../../graph.js';
import type { RoundView } from '../invariant.js';
import { type Bits, hasBit } from './bits.js';

// What of a cluster waits for one another, and nothing else: a Petri net. Each node that can wait for more than its
// predecessors (puts, gets, barriers, collectives) is a transition; what lies between them never waits, and is there
// only as the order that it gives. Every task goes through the rounds of its program one after the other.

/** What a transition waits for and does beside its place in the round. */
export type Action =
  /** Waits for room in a buffer, and takes it. */
  | { readonly kind: 'put'; readonly buffer: number }
  /** Waits for that many tuples, and takes them. */
  | { readonly kind: 'get'; readonly buffer: number; readonly count: number }
  /** Waits for the other parties of a barrier, and goes on with them. */
  | { readonly kind: 'meet'; readonly barrier: number }
  /** A collective: all its members at once. One that lacks members never runs. */
  | { readonly kind: 'together'; readonly complete: boolean };

export interface Transition {
  /** The members of a collective; else one node. */
  readonly nodes: readonly [Node, ...Node[]];
  readonly action: Action;
}

/** One round of a task's program. */
export interface NetRound {
  readonly view: RoundView;
  readonly transitions: readonly Transition[];
  readonly transitionOf: ReadonlyMap<NodeId, number>;
  /** How many others each transition waits for directly, and those that wait for it. */
  readonly waiting: Int32Array;
  readonly next: readonly (readonly number[])[];
  /** All transitions that run before each; worked out when it is first asked for. */
  before(): readonly Bits[];
}

/** A transition by its place. */
export interface Place {
  /** Index into `SyncNet.tasks`, the task's rounds, and the round's transitions. */
  readonly task: number;
  readonly round: number;
  readonly transition: number;
}

export interface NetTask {
  /** `worker 1`; empty where there is one task. */
  readonly label: string;
  /** `init`, `postInit`, `warmUp`, `barrier`, each once, then those of the step, over and over. */
  readonly rounds: readonly NetRound[];
  /** How many of the rounds come before the first step. */
  readonly prologue: number;
  /** How many of the rounds belong to `init`. */
  readonly init: number;
}

export interface NetBuffer {
  readonly resource: BufferResource;
  /** Infinite where the resource has no limit. */
  readonly capacity: number;
  readonly puts: readonly Place[];
  readonly gets: readonly Place[];
  /** Whether its room may be fought for: puts that no path orders, so that the schedule decides who comes first. */
  readonly contended: boolean;
}

export interface NetBarrier {
  readonly resource: BarrierResource;
  readonly meets: readonly Place[];
}

export interface SyncNet {
  readonly tasks: readonly NetTask[];
  readonly buffers: readonly NetBuffer[];
  readonly barriers: readonly NetBarrier[];
}

/**
 * Rounds of a task counted through its whole run: the i-th is round i before the first step, and those of the steps
 * come again and again.
 */
export function roundAt({ rounds, prologue }: NetTask, instance: number): number {
  const steps = rounds.length - prologue;
  return instance < prologue || steps === 0 ? instance : prologue + ((instance - prologue) % steps);
}

/** How many rounds a task runs in that many steps, with what comes before them. */
export function instancesIn({ rounds, prologue }: NetTask, steps: number): number {
  return prologue + steps * (rounds.length - prologue);
}

export function transitionAt(net: SyncNet, { task, round, transition }: Place): Transition | undefined {
  return net.tasks[task]?.rounds[round]?.transitions[transition];
}

/** Whether one of two places of a round runs before the other, by edges alone; places of two rounds of a task always do. */
export function inSequence(net: SyncNet, a: Place, b: Place): boolean {
  if (a.task !== b.task) return false;
  if (a.round !== b.round) return true;
  const before = net.tasks[a.task]?.rounds[a.round]?.before() ?? [];
  const leads = (from: number, to: number): boolean => {
    const bits = before[to];
    return bits !== undefined && hasBit(bits, from);
  };
  return leads(a.transition, b.transition) || leads(b.transition, a.transition);
}
