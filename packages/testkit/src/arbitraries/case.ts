import type { TrainingSpec } from '@placewright/ir';
import { CHOICE_VALUES, combinationOf, legalityOf, STRATEGIES } from '@placewright/passes';
import fc from 'fast-check';
import { type ClusterBounds, type ClusterPlan, clusterOf, clusterPlans } from './cluster.js';
import { type ModelBounds, type ModelPlan, modelPlans } from './model.js';
import { trainings } from './options.js';
import { record } from './record.js';
import { SERVED_STRATEGIES, SERVERS_NEEDED, type StrategyPlan, strategyPlans } from './strategy.js';

/** Everything that a training run follows from, as plain data. `prepare` compiles it. */
export interface TrainingCase {
  readonly model: ModelPlan;
  readonly cluster: ClusterPlan;
  readonly strategy: StrategyPlan;
  readonly training: TrainingSpec;
  /** Examples of one tower in one step. */
  readonly batch: number;
  /** Seed of initial values and of the data that are fed. */
  readonly seed: number;
}

export interface CaseBounds extends ModelBounds, ClusterBounds {
  /** Which strategies; all when left out. */
  readonly strategies?: fc.Arbitrary<StrategyPlan>;
}

/** A random model, trained with a random strategy on a random cluster. */
export function trainingCases(bounds: CaseBounds = {}): fc.Arbitrary<TrainingCase> {
  return record({
    model: modelPlans(bounds),
    cluster: clusterPlans(bounds),
    strategy: bounds.strategies ?? strategyPlans(STRATEGIES),
    training: trainings(),
    batch: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(999),
  }).map(fitting);
}

/** Parameter servers are for the strategies that are made for them, and some need one; what then is illegal is left out. */
function fitting(plan: TrainingCase): TrainingCase {
  const { strategy, options } = plan.strategy;
  const wanted = SERVED_STRATEGIES.has(strategy) ? plan.cluster.servers : 0;
  const servers = SERVERS_NEEDED.has(strategy) ? Math.max(1, wanted) : wanted;
  const cluster = { ...plan.cluster, servers };
  const name = CHOICE_VALUES.strategy.find((known) => known === strategy);
  if (name === undefined) return { ...plan, cluster };
  const asked = { options, cluster: clusterOf(cluster), training: plan.training };
  const found = legalityOf(combinationOf(name, asked));
  const illegal = new Set(found.legal ? [] : Object.keys(found.change));
  const kept = Object.fromEntries(Object.entries(options).filter(([option]) => !illegal.has(option)));
  return { ...plan, cluster, strategy: { ...plan.strategy, options: kept } };
}
