import type { Pass } from './pass.js';
import { aggregateGradients } from './passes/aggregate-gradients.js';
import { applyGradients } from './passes/apply-gradients.js';
import { autodiff } from './passes/autodiff.js';
import { cacheReads } from './passes/cache-reads.js';
import { clipGradients } from './passes/clip-gradients.js';
import { insertTransfers } from './passes/insert-transfers.js';
import { legalise } from './passes/legalise.js';
import { placeRest } from './passes/place-rest.js';
import { placeVariables } from './passes/place-variables.js';
import { postInit } from './passes/post-init.js';
import { replicateTowers } from './passes/replicate-towers.js';
import { rewriteAllReduce } from './passes/rewrite-all-reduce.js';
import { scopeVariables } from './passes/scope-variables.js';
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
  aggregateGradients,
  rewriteAllReduce,
  clipGradients,
  applyGradients,
  synchronise,
  postInit,
  placeRest,
  simplify,
  legalise,
  insertTransfers,
] as unknown as readonly Pass[];
