import type { ClipSpec } from '@placewright/ir';
import type { Aggregation, Reduction } from '../passes/aggregate-gradients.js';
import type { VariableHome } from '../passes/place-variables.js';
import type { SavedChoice } from '../passes/scope-variables.js';

/**
 * A strategy is this table and nothing more: the pipeline follows from it (`pipelineFor`), and no pass reads a
 * strategy's name.
 */
export interface Choices {
  /** One set of variables (`v/`) or one per tower (`v0/`, `v1/`, …). */
  readonly variables: 'shared' | 'perTower';
  readonly home: VariableHome;
  /** The device of all variables with home=parameterDevice. */
  readonly parameterDevice: string;
  /** `staging` reads variables and takes gradients a step late, through staging areas on each tower. */
  readonly reading: 'direct' | 'staging';
  readonly gradients: 'direct' | 'staging';
  readonly clipping: ClipSpec;
  readonly aggregation: Aggregation;
  readonly reduction: Reduction;
  readonly initialCopy: 'none' | 'tower0';
  readonly saved: SavedChoice;
}

/** What a user may set of a strategy: tf_cnn_benchmarks' flags in camel case, and the reduction. */
export interface StrategyOptions {
  readonly localParameterDevice?: 'cpu' | 'gpu';
  readonly stagedVars?: boolean;
  readonly useNccl?: boolean;
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
  /** Whether the towers' trainable variables and their slots are bit-equal after every step (moving averages are tower 0's alone). */
  readonly replicasStayEqual: boolean;
  readonly saved: SavedChoice;
}

export interface Strategy {
  readonly name: string;
  readonly summary: string;
  /** Options that it takes, each with its default. */
  readonly options: {
    readonly [K in keyof StrategyOptions]-?: Exclude<StrategyOptions[K], undefined> | null;
  };
  /** The table for complete options. `host` is the task's CPU, `clipping` comes from the training. */
  readonly choices: (
    options: Required<StrategyOptions>,
    context: { readonly host: string; readonly clipping: ClipSpec },
  ) => Choices;
}

export function contractOf(choices: Choices): Contract {
  return {
    staleReads: choices.reading === 'staging' ? 1 : 0,
    staleGradients: choices.gradients === 'staging' ? 1 : 0,
    reduction: choices.aggregation === 'none' ? 'none' : choices.reduction,
    replicasStayEqual:
      choices.variables === 'shared' || (choices.aggregation !== 'none' && choices.initialCopy === 'tower0'),
    saved: choices.saved,
  };
}
