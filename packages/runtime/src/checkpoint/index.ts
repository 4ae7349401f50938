export {
  type CaptureOptions,
  CHECKPOINT_VERSION,
  type Checkpoint,
  captureCheckpoint,
  checkpointFile,
  parseCheckpoint,
  type Resume,
  type StrategyIdentity,
} from './checkpoint.js';
export * from './cluster.js';
export * from './directory.js';
export { type ReadFile, readTensorFile, type TensorFile, writeTensorFile } from './file.js';
export type { TensorEntry } from './header.js';
export type { Progress } from './progress.js';
export * from './restore.js';
export { mapState, RESUME, type SavedVariable, type StateMap } from './state-map.js';
