export * from './arbitraries/case.js';
export * from './arbitraries/cluster.js';
export * from './arbitraries/device.js';
export * from './arbitraries/graph.js';
export * from './arbitraries/model.js';
export * from './arbitraries/names.js';
export * from './arbitraries/op.js';
export type { DerivedInput, OpCase } from './arbitraries/ops/case.js';
export * from './arbitraries/options.js';
export * from './arbitraries/shape.js';
export * from './arbitraries/strategy.js';
export * from './arbitraries/tensor.js';
export * from './check.js';
export * from './check-pass.js';
export * from './cluster-case.js';
export * from './cluster-run.js';
export * from './compare.js';
export * from './compare-facts.js';
export type { ClusterSessionLike, LoadCluster } from './engine/cluster-session.js';
export type { EngineCheck, SuiteOptions } from './engine/property.js';
export {
  compileRecorded,
  compileRecordedCluster,
  type RecordedCluster,
  type RecordedRun,
  readRecordedClusters,
  readRecordedRuns,
} from './engine/recorded.js';
export type { Load, SessionLike } from './engine/session.js';
export * from './engine/suite.js';
export { checkCluster, clusterLaw } from './laws/cluster.js';
export { contractLaw } from './laws/contract.js';
export { checkEdit, patchLaw } from './laws/edits.js';
export { checkTextForm, sameModule, textLaw } from './laws/form.js';
export { checkGradient } from './laws/gradient.js';
export * from './laws/index.js';
export type { Law } from './laws/law.js';
export { liveLaw } from './laws/live.js';
export * from './laws/meaning.js';
export { initialCopyLaw, placementLaw, transferLaw } from './laws/placement.js';
export { mustBeSameTrace, scheduleLaw } from './laws/schedule.js';
export { stagingLaw } from './laws/staging.js';
export { trafficLaw } from './laws/traffic.js';
export { workersLaw } from './laws/workers.js';
export * from './lowered.js';
export * from './model.js';
export * from './op-module.js';
export * from './oracle/oracle.js';
export * from './prepare.js';
export * from './random.js';
export * from './wishes.js';
