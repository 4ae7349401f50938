export * from './analyses/balancer-loads.js';
export * from './analyses/facts.js';
export * from './analyses/placement.js';
export * from './balancers.js';
export * from './compile.js';
export * from './compile-cluster.js';
export * from './devices.js';
export * from './manager.js';
export * from './pass.js';
export {
  AGGREGATIONS,
  type Aggregation,
  aggregateGradients,
  type Reduction,
} from './passes/aggregate-gradients.js';
export { applyGradients } from './passes/apply-gradients.js';
export { autodiff } from './passes/autodiff.js';
export { awaitWorkers } from './passes/await-workers.js';
export { CACHES, type Caches, cacheReads } from './passes/cache-reads.js';
export { clipGradients } from './passes/clip-gradients.js';
export { copyShadows } from './passes/copy-shadows.js';
export { expandBarriers } from './passes/expand-barriers.js';
export { gateUpdates } from './passes/gate-updates.js';
export { initialiseOnce } from './passes/initialise-once.js';
export { insertTransfers } from './passes/insert-transfers.js';
export { legalise } from './passes/legalise.js';
export { placeRest } from './passes/place-rest.js';
export {
  COUNTER_HOMES,
  type CounterHome,
  placeVariables,
  VARIABLE_HOMES,
  type VariableHome,
} from './passes/place-variables.js';
export { postInit } from './passes/post-init.js';
export { replicateTowers } from './passes/replicate-towers.js';
export { rewriteAllReduce } from './passes/rewrite-all-reduce.js';
export { type SavedChoice, scopeVariables } from './passes/scope-variables.js';
export { shadowVariables } from './passes/shadow-variables.js';
export { simplify } from './passes/simplify.js';
export { stageGradients } from './passes/stage-gradients.js';
export { STAGED_COPIES, type StagedCopy, stageVariables } from './passes/stage-variables.js';
export { synchronise } from './passes/synchronise.js';
export * from './registry.js';
export * from './roles.js';
export * from './strategies/choices.js';
export * from './strategies/distributed-replicated.js';
export * from './strategies/independent.js';
export * from './strategies/legality.js';
export * from './strategies/legality-rows.js';
export * from './strategies/parameter-server.js';
export * from './strategies/pipeline.js';
export * from './strategies/registry.js';
export * from './strategies/replicated.js';
export { IMBALANCE_LIMIT, parameterLoads } from './warnings/imbalance.js';
export * from './warnings/registry.js';
export * from './warnings/warning.js';
