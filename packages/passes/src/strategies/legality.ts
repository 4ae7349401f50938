import {
  type ClipSpec,
  type Cluster,
  isLocal,
  type OptimizerSpec,
  PlacewrightError,
  type TrainingSpec,
} from '@placewright/ir';
import type { Reduction } from '../passes/aggregate-gradients.js';
import type { Strategy, StrategyOptions } from './choices.js';
import { STRATEGIES, type StrategyName } from './registry.js';

/** Everything that is chosen of a training graph, whatever the model. */
export interface Combination {
  readonly strategy: StrategyName;
  /** The devices of one machine, or a worker of a cluster with parameter servers. */
  readonly place: 'local' | 'cluster';
  readonly stagedVars: boolean;
  readonly crossReplicaSync: boolean;
  /** `own` where nothing is asked for: the strategy's. */
  readonly reduction: Reduction | 'own';
  readonly useNccl: boolean;
  readonly localParameterDevice: 'cpu' | 'gpu';
  readonly clipping: ClipSpec['kind'];
  readonly optimizer: OptimizerSpec['kind'];
}

export type ChoiceName = keyof Combination;

/** What each choice may be. */
export const CHOICE_VALUES: { readonly [K in ChoiceName]: readonly Combination[K][] } = {
  strategy: ['independent', 'parameter_server', 'replicated', 'distributed_replicated'],
  place: ['local', 'cluster'],
  stagedVars: [false, true],
  crossReplicaSync: [true, false],
  reduction: ['own', 'sum', 'mean'],
  useNccl: [true, false],
  localParameterDevice: ['gpu', 'cpu'],
  clipping: ['none', 'value', 'globalNorm'],
  optimizer: ['sgd', 'momentum', 'rmsprop'],
};
export const CHOICE_NAMES = Object.keys(CHOICE_VALUES) as readonly ChoiceName[];

/** Combinations with one of the values for each choice that is named. */
export type Pattern = { readonly [K in ChoiceName]?: readonly Combination[K][] };

/** Combinations that are refused. */
export interface Refusal {
  readonly when: Pattern;
  readonly reason: string;
  /** Who refuses: the original, too; ours alone, since the original leaves it undefined; ours, of a choice of ours. */
  readonly origin: 'original' | 'undefined' | 'ours';
}

export const REFUSALS: readonly Refusal[] = [
  {
    when: { strategy: ['independent'], place: ['cluster'] },
    reason: 'independent has nothing that the tasks of a cluster share',
    origin: 'original',
  },
  {
    when: { strategy: ['replicated'], place: ['cluster'] },
    reason: 'replicated adds up gradients within one task',
    origin: 'original',
  },
  {
    when: { strategy: ['distributed_replicated'], place: ['local'] },
    reason: 'distributed_replicated keeps its shadow variables on the parameter servers of a cluster',
    origin: 'original',
  },
  {
    when: { strategy: ['independent', 'replicated', 'distributed_replicated'], stagedVars: [true] },
    reason:
      'variables are staged with parameter_server only: a tower that has its own reads nothing from afar',
    origin: 'original',
  },
  {
    when: { strategy: ['distributed_replicated'], crossReplicaSync: [false] },
    reason:
      'distributed_replicated is defined for workers that wait for each other: its towers copy what all have updated',
    origin: 'undefined',
  },
  {
    when: { strategy: ['independent'], reduction: ['sum', 'mean'] },
    reason: 'independent brings no gradients together, by sum or by mean',
    origin: 'ours',
  },
];

/** Combinations in which an option changes nothing. The original takes it all the same, and so do we. */
export interface Ignored {
  readonly option: keyof StrategyOptions & ChoiceName;
  readonly when: Pattern;
  readonly reason: string;
}

export const IGNORED: readonly Ignored[] = [
  {
    option: 'localParameterDevice',
    when: { strategy: ['independent'] },
    reason: 'variables live with their towers, and gradients do not meet',
  },
  {
    option: 'localParameterDevice',
    when: { strategy: ['replicated'], useNccl: [true] },
    reason: 'an all-reduce has no device of its own',
  },
  {
    option: 'localParameterDevice',
    when: { strategy: ['parameter_server'], place: ['cluster'], stagedVars: [true] },
    reason: 'what is staged is read once, on the host',
  },
  {
    option: 'useNccl',
    when: { strategy: ['independent', 'parameter_server', 'distributed_replicated'] },
    reason: 'gradients are not brought together by an all-reduce',
  },
  {
    option: 'crossReplicaSync',
    when: { place: ['local'] },
    reason: 'there is one task, which waits for no other',
  },
];

/** What a change costs: what was asked for is kept where it can be, the strategy and the cluster first. */
const COSTS: { readonly [K in ChoiceName]: number } = {
  strategy: 3,
  place: 6,
  stagedVars: 2,
  localParameterDevice: 2,
  useNccl: 2,
  crossReplicaSync: 2,
  reduction: 1,
  clipping: 9,
  optimizer: 9,
};

/** Other strategies, the most like first. */
const LIKE: { readonly [S in StrategyName]: readonly StrategyName[] } = {
  independent: ['replicated', 'distributed_replicated', 'parameter_server'],
  parameter_server: ['distributed_replicated', 'replicated', 'independent'],
  replicated: ['distributed_replicated', 'parameter_server', 'independent'],
  distributed_replicated: ['replicated', 'parameter_server', 'independent'],
};

export type Legality =
  | { readonly legal: true; readonly ignored: readonly Ignored[] }
  | {
      readonly legal: false;
      readonly refusals: readonly Refusal[];
      /** The legal combination with the least changes, and those changes. */
      readonly nearest: Combination;
      readonly change: Partial<Combination>;
    };

/** Every combination there is, in the order of the values. */
export function combinations(names: readonly ChoiceName[] = CHOICE_NAMES): Partial<Combination>[] {
  return names.reduce<Partial<Combination>[]>(
    (all, name) =>
      all.flatMap((combination) => CHOICE_VALUES[name].map((value) => ({ ...combination, [name]: value }))),
    [{}],
  );
}

/** Whether a combination is legal, and where it is not, what comes nearest. */
export function legalityOf(combination: Combination): Legality {
  const refusals = REFUSALS.filter(({ when }) => matches(combination, when));
  if (refusals.length === 0)
    return { legal: true, ignored: IGNORED.filter(({ when }) => matches(combination, when)) };
  const change = nearestChange(combination);
  return { legal: false, refusals, nearest: { ...combination, ...change }, change };
}

/**
 * Changes of one choice each that keep a combination legal and let an option count that it ignores: what to say of an
 * option that does nothing.
 */
export function waysToUse(option: Ignored['option'], combination: Combination): Partial<Combination>[] {
  return CHOICE_NAMES.filter((name) => name !== option).flatMap((name) =>
    CHOICE_VALUES[name].flatMap((value) => {
      if (value === combination[name]) return [];
      const found = legalityOf({ ...combination, [name]: value });
      const counts = found.legal && !found.ignored.some((other) => other.option === option);
      return counts ? [{ [name]: value }] : [];
    }),
  );
}

function matches(combination: Combination, pattern: Pattern): boolean {
  return CHOICE_NAMES.every((name) => {
    const values: readonly unknown[] | undefined = pattern[name];
    return values === undefined || values.includes(combination[name]);
  });
}

/** Choices that a refusal asks for: no other change can make a combination legal. */
const REFUSED_BY = CHOICE_NAMES.filter((name) => REFUSALS.some(({ when }) => when[name] !== undefined));
const CHANGES = combinations(REFUSED_BY);

function nearestChange(from: Combination): Partial<Combination> {
  let best: { readonly change: Partial<Combination>; readonly cost: number } | undefined;
  for (const values of CHANGES) {
    const to = { ...from, ...values };
    if (REFUSALS.some(({ when }) => matches(to, when))) continue;
    const changed = CHOICE_NAMES.filter((name) => to[name] !== from[name]);
    const cost = changed.reduce((sum, name) => sum + COSTS[name], 0) + rank(from, to);
    if (best !== undefined && cost >= best.cost) continue;
    best = { change: Object.fromEntries(changed.map((name) => [name, to[name]])), cost };
  }
  return best?.change ?? {};
}

/** Decides between strategies that cost the same. */
function rank(from: Combination, to: Combination): number {
  return from.strategy === to.strategy ? 0 : (LIKE[from.strategy].indexOf(to.strategy) + 1) / 10;
}

/** What of a call to `compile` makes a combination. */
export interface Asked {
  readonly options: StrategyOptions;
  readonly cluster: Cluster;
  readonly training: TrainingSpec;
}

/** The combination that is asked for, with what the original takes where an option is left out. */
export function combinationOf(strategy: StrategyName, { options, cluster, training }: Asked): Combination {
  return {
    strategy,
    place: isLocal(cluster) ? 'local' : 'cluster',
    stagedVars: options.stagedVars ?? false,
    localParameterDevice: options.localParameterDevice ?? 'gpu',
    useNccl: options.useNccl ?? true,
    crossReplicaSync: options.crossReplicaSync ?? true,
    reduction: options.reduction ?? 'own',
    clipping: training.clip.kind,
    optimizer: training.optimizer.kind,
  };
}

/** How `checkLegal` is to be strict, and in whose words. */
export interface LegalityOptions {
  /** Whether what the original builds and leaves undefined may pass. */
  readonly allowUndefined?: boolean;
  readonly show?: (change: Partial<Combination>) => string;
}

/**
 * Throws PW_STRATEGY_ILLEGAL with the reason and the nearest legal choice, in the words of `show`. A strategy that is
 * not in the table is its author's, who knows where it is legal.
 */
export function checkLegal(strategy: Strategy, asked: Asked, options: LegalityOptions = {}): void {
  const { allowUndefined = false, show = changeText } = options;
  const name = CHOICE_VALUES.strategy.find((known) => known === strategy.name);
  if (name === undefined || !STRATEGIES.includes(strategy)) return;
  const found = legalityOf(combinationOf(name, asked));
  if (found.legal) return;
  const refusals = found.refusals.filter(({ origin }) => !(allowUndefined && origin === 'undefined'));
  if (refusals.length === 0) return;
  const undefinedOnly = refusals.every(({ origin }) => origin === 'undefined');
  throw new PlacewrightError('PW_STRATEGY_ILLEGAL', refusals.map(({ reason }) => reason).join('; '), {
    hint: `the nearest that is legal: ${show(found.change)}${undefinedOnly ? '; allowUndefined compiles it all the same, as the original does' : ''}`,
  });
}

/** `stagedVars: false, crossReplicaSync: true`, and for the cluster what to do. */
export function changeText(change: Partial<Combination>): string {
  return Object.entries(change)
    .map(([name, value]) => {
      if (name === 'place')
        return value === 'local' ? 'one machine (leave the hosts out)' : 'a cluster (name its hosts)';
      return value === 'own' ? `leave ${name} out` : `${name}: ${value}`;
    })
    .join(', ');
}
