export type { ClusterStepper, ReadyNode, RunOutcome } from './cluster.js';
export {
  type ClusterInterpreter,
  type ClusterInterpreterOptions,
  createClusterInterpreter,
} from './cluster-interpreter.js';
export {
  type Checker,
  type Comparison,
  type CrossCheckOptions,
  type CrossCheckReport,
  compareCluster,
  crossCheck,
  FAULT_KINDS,
  type FaultCount,
  type FaultKind,
} from './cross-check/cross-check.js';
export type { ProgramFeeds } from './cross-check/program.js';
export { type Replay, replay } from './cross-check/replay.js';
export type { Named } from './feeds.js';
export {
  createInterpreter,
  type Interpreter,
  type InterpreterOptions,
  type RunOptions,
} from './interpreter.js';
export { type Kernel, type KernelContext, kernelContext } from './kernel.js';
export { builtinKernels } from './kernels/table.js';
export type { Fetch } from './load.js';
export type { PureBuiltinOp } from './op-kinds.js';
export type { Schedule } from './schedule.js';
export { createClusterStepper } from './stepper.js';
