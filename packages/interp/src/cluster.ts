import type {
  EntryName,
  LinkedModule,
  ModuleState,
  Node,
  PlacewrightError,
  TensorValue,
} from '@placewright/ir';
import type { Named } from './feeds.js';

/**
 * Something that may run next in a cluster: a node of a run, or all members of a collective or parties of a barrier at
 * once, shown by the first of them.
 */
export interface ReadyNode {
  /** The number that `start` gave. */
  readonly run: number;
  /** Index into `LinkedModule.tasks`; null for a run of the joint entries. */
  readonly task: number | null;
  readonly entry: EntryName;
  /** From 0. */
  readonly round: number;
  readonly node: Node;
}

/** What became of a run. */
export type RunOutcome =
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly fetches: ReadonlyMap<string, TensorValue> }
  | { readonly kind: 'failed'; readonly error: PlacewrightError };

/**
 * A linked cluster that is stepped by hand, one node at a time: the core of the cluster interpreter, for exhaustive
 * explorers. It is synchronous, keeps no clock, and does nothing but what it is told: the same calls give the same
 * results. Explore with `clone`, or replay a list of choices on a fresh stepper:
 *
 *     const stepper = createClusterStepper(linked);
 *     for (const task of linked.tasks.keys()) stepper.start(task, 'step');
 *     while (!stepper.finished) {
 *       const count = stepper.ready().length;
 *       if (count === 0) throw stepper.deadlock();
 *       stepper.fire(choose(count));
 *     }
 *
 * Any number of runs may be under way at once, also several of one task.
 */
export interface ClusterStepper {
  readonly linked: LinkedModule;
  /**
   * Begins a run of a task's own entry, or with null of a joint one (feeds and fetches are then called
   * `worker_1/images`), and gives its number, counted from 0. A run without nodes is done at once.
   * Throws PW_ENTRY_UNKNOWN, PW_FEED_*, PW_LINK_TASK, PW_CYCLE.
   */
  start(task: number | null, entry: EntryName, feeds?: Named<TensorValue>): number;
  /**
   * What may run next, by run and then topologically. What waits for a buffer, a collective or a barrier is not among
   * it. Empty although not `finished`: the runs under way wait for each other, or for a run that nobody has begun.
   */
  ready(): readonly ReadyNode[];
  /** What only a buffer keeps from running, in the same order. */
  waiting(): readonly ReadyNode[];
  /**
   * Runs the item of `ready()` at that place. When its kernel fails, its run is over, `outcome` says why, and what it
   * has done stays; nothing is thrown. Throws PW_SCHEDULE_CHOICE.
   */
  fire(index: number): void;
  /** Whether no run is under way. */
  readonly finished: boolean;
  /** What became of a run. */
  outcome(run: number): RunOutcome;
  /** A PW_DEADLOCK that names what each run under way waits for. */
  deadlock(): PlacewrightError;
  /** Copies of all variables and of what buffers hold. */
  readState(): ModuleState;
  /** Sets variables and what buffers hold, all or none. Throws PW_STATE_*, PW_VARIABLE_*. */
  writeState(state: ModuleState): void;
  /**
   * A stepper in the same state that shares nothing that changes; tensors are shared. Costs a word for each node of the
   * runs under way.
   */
  clone(): ClusterStepper;
  /**
   * Text that is equal for two steppers of one linked module just when everything that is still to come of them is
   * equal: what has run of each run under way, the values that are still needed, variables and buffers. Runs count by
   * task and entry, in the order in which they began, and not by number. For telling states apart that were reached
   * in several ways.
   */
  key(): string;
}
