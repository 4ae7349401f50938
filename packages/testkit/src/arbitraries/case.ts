import type { TrainingSpec } from '@placewright/ir';
import fc from 'fast-check';
import { type ClusterBounds, type ClusterPlan, clusterPlans } from './cluster.js';
import { type ModelBounds, type ModelPlan, modelPlans } from './model.js';
import { trainings } from './options.js';
import { record } from './record.js';
import { SERVED_STRATEGIES, type StrategyPlan, strategyPlans } from './strategy.js';

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
    strategy: bounds.strategies ?? strategyPlans(),
    training: trainings(),
    batch: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(999),
  }).map(fitting);
}

/** Parameter servers are for the strategies that are made for them. */
function fitting(plan: TrainingCase): TrainingCase {
  const servers = SERVED_STRATEGIES.has(plan.strategy.strategy) ? plan.cluster.servers : 0;
  return { ...plan, cluster: { ...plan.cluster, servers } };
}
