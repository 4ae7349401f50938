import type { Pass } from './pass.js';
import { aggregateGradients } from './passes/aggregate-gradients.js';
import { applyGradients } from './passes/apply-gradients.js';
import { autodiff } from './passes/autodiff.js';
import { awaitWorkers } from './passes/await-workers.js';
import { cacheReads } from './passes/cache-reads.js';
import { clipGradients } from './passes/clip-gradients.js';
import { copyShadows } from './passes/copy-shadows.js';
import { expandBarriers } from './passes/expand-barriers.js';
import { gateUpdates } from './passes/gate-updates.js';
import { initialiseOnce } from './passes/initialise-once.js';
import { insertTransfers } from './passes/insert-transfers.js';
import { legalise } from './passes/legalise.js';
import { placeRest } from './passes/place-rest.js';
import { placeVariables } from './passes/place-variables.js';
import { postInit } from './passes/post-init.js';
import { replicateTowers } from './passes/replicate-towers.js';
import { rewriteAllReduce } from './passes/rewrite-all-reduce.js';
import { scopeVariables } from './passes/scope-variables.js';
import { shadowVariables } from './passes/shadow-variables.js';
import { simplify } from './passes/simplify.js';
import { stageGradients } from './passes/stage-gradients.js';
import { stageVariables } from './passes/stage-variables.js';
import { synchronise } from './passes/synchronise.js';

/** Every pass, in the order in which pipelines run them. A new pass is its file and a line here. */
export const PASSES = [
  autodiff,
  replicateTowers,
  scopeVariables,
  placeVariables,
  cacheReads,
  stageVariables,
  stageGradients,
  shadowVariables,
  aggregateGradients,
  rewriteAllReduce,
  clipGradients,
  applyGradients,
  copyShadows,
  synchronise,
  awaitWorkers,
  postInit,
  initialiseOnce,
  gateUpdates,
  placeRest,
  simplify,
  expandBarriers,
  legalise,
  insertTransfers,
] as unknown as readonly Pass[];
