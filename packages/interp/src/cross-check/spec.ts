// A small cluster as it is drawn: easier to change by chance than a graph, and what a report shows of it.

export type BufferKind = 'queue' | 'area';

/** What one node does. */
export type Act =
  | { readonly kind: 'read' | 'assign' | 'add'; readonly variable: string }
  | { readonly kind: 'put'; readonly buffer: string }
  | { readonly kind: 'get'; readonly buffer: string; readonly count: number }
  | { readonly kind: 'meet'; readonly barrier: string }
  /** A member of a collective of two towers. */
  | { readonly kind: 'reduce'; readonly group: string; readonly tower: 0 | 1 }
  | { readonly kind: 'pass' };

/** A node, and those of its list that run before it: always earlier ones. */
export interface Step {
  readonly act: Act;
  readonly after: readonly number[];
}

/** What one worker runs. */
export interface WorkerSpec {
  readonly init: readonly Step[];
  readonly postInit: readonly Step[];
  readonly barrier: readonly Step[];
  readonly step: readonly Step[];
  /** Per round the places of nodes of the step. */
  readonly warmUp: readonly (readonly number[])[];
}

export interface BufferSpec {
  readonly kind: BufferKind;
  readonly capacity: number;
}

export interface ClusterSpec {
  readonly servers: number;
  readonly workers: readonly WorkerSpec[];
  /** Queues by name, which all share; of each staging area every worker has one of its own. */
  readonly buffers: ReadonlyMap<string, BufferSpec>;
  /** Barriers with their parties. */
  readonly barriers: ReadonlyMap<string, number>;
  /** What was done to it to break it. It need not do harm. */
  readonly faults: readonly string[];
}

export const ROUNDS = ['init', 'postInit', 'barrier', 'step'] as const;
export type RoundName = (typeof ROUNDS)[number];
