import type { ClipSpec } from '@placewright/ir';
import type { Aggregation, Reduction } from '../passes/aggregate-gradients.js';
import type { VariableHome } from '../passes/place-variables.js';
import type { SavedChoice } from '../passes/scope-variables.js';

/** What of tasks waits for one another. */
export const SYNCHRONISATIONS = ['none', 'synchronous', 'asynchronous'] as const;
export type Synchronisation = (typeof SYNCHRONISATIONS)[number];

/**
 * A strategy is this table and nothing more: the pipeline follows from it (`pipelineFor`), and no pass reads a
 * strategy's name.
 */
export interface Choices {
  /** One set of variables (`v/`) or one per tower (`v0/`, `v1/`, …). */
  readonly variables: 'shared' | 'perTower';
  /** Collection of the towers' variables: local ones belong to their task, global ones to the cluster. */
  readonly collection: 'global' | 'local';
  readonly home: VariableHome;
  /** The device of all variables with home=parameterDevice. */
  readonly parameterDevice: string;
  /** Home of what stands outside of the towers, `global_step`: the host, or the parameter servers one after the other. */
  readonly counters: 'host' | 'parameterServers';
  /**
   * `caching` reads each variable once into a caching device; `staging` reads variables a step late, through staging
   * areas on each tower.
   */
  readonly reading: 'direct' | 'caching' | 'staging';
  /** With reading=caching: where large variables are kept, on the host or on the tower with the fewest elements. */
  readonly caches: 'host' | 'towers';
  /** With reading=staging: whether all towers stage from one copy on the host. */
  readonly stagedCopy: 'none' | 'host';
  readonly gradients: 'direct' | 'staging';
  readonly clipping: ClipSpec;
  readonly aggregation: Aggregation;
  readonly reduction: Reduction;
  /** What an update writes: the variables themselves, or shadows on the parameter servers that are then copied back. */
  readonly update: 'variables' | 'shadows';
  /** Whether the workers of a cluster wait for each other in each step. */
  readonly synchronisation: Synchronisation;
  readonly initialCopy: 'none' | 'tower0' | 'shadows';
  readonly saved: SavedChoice;
}

/** What a user may set of a strategy: tf_cnn_benchmarks' flags in camel case, and the reduction. */
export interface StrategyOptions {
  readonly localParameterDevice?: 'cpu' | 'gpu';
  readonly stagedVars?: boolean;
  readonly useNccl?: boolean;
  /** Whether the workers of a cluster go step by step together. */
  readonly crossReplicaSync?: boolean;
  /** Sum or mean over the towers; the strategy's own when left out. */
  readonly reduction?: Reduction;
}

/** What a strategy promises of its lowered graph, as data: the laws check these, not exceptions in tests. */
export interface Contract {
  /** Steps by which a tower's reads are behind, beyond the current one. */
  readonly staleReads: number;
  /** Steps by which the gradient that an update takes is behind the step that computed it. */
  readonly staleGradients: number;
  readonly reduction: Reduction | 'none';
  /**
   * Whether the trainable variables of all towers, of all workers, and their slots are bit-equal after every step (moving
   * averages are tower 0's alone).
   */
  readonly replicasStayEqual: boolean;
  /**
   * How the updates of several workers come together: `none` without other workers, `add` where each worker's update
   * is applied to the shared variables in order of arrival. That is a sum of gradients for SGD; momentum and RMSProp take
   * one step of theirs for each worker.
   */
  readonly workers: 'none' | 'add';
  /** Orders that are left open on purpose: another task's reads and updates of the shared variables within a step. */
  readonly permittedSkew: 'none' | 'otherWorkers';
  /** Type that gradients and values are rounded to on the wire; none is. */
  readonly wireRounding: 'none';
  readonly saved: SavedChoice;
}

/** What a table may depend on beside the options. */
export interface StrategyContext {
  /** The task's CPU. */
  readonly host: string;
  readonly clipping: ClipSpec;
  /** Whether it is compiled for one worker of a cluster with parameter servers. */
  readonly distributed: boolean;
}

export interface Strategy {
  readonly name: string;
  readonly summary: string;
  /** Options that it takes, each with its default. */
  readonly options: {
    readonly [K in keyof StrategyOptions]-?: Exclude<StrategyOptions[K], undefined> | null;
  };
  /** The table for complete options. */
  readonly choices: (options: Required<StrategyOptions>, context: StrategyContext) => Choices;
}

export function contractOf(choices: Choices): Contract {
  const { variables, aggregation, initialCopy, update, synchronisation } = choices;
  const apart = update === 'shadows' && synchronisation !== 'synchronous';
  return {
    staleReads: choices.reading === 'staging' ? 1 : 0,
    staleGradients: choices.gradients === 'staging' ? 1 : 0,
    reduction: aggregation === 'none' ? 'none' : choices.reduction,
    // Without a barrier at its end, a worker can copy a shadow that another one has updated for its next step already.
    replicasStayEqual: variables === 'shared' || (aggregation !== 'none' && initialCopy !== 'none' && !apart),
    workers: synchronisation === 'none' ? 'none' : 'add',
    permittedSkew: synchronisation === 'asynchronous' ? 'otherWorkers' : 'none',
    wireRounding: 'none',
    saved: choices.saved,
  };
}
