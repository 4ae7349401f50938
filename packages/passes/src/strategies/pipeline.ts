import type { TrainingSpec } from '@placewright/ir';
import { callPass, type PassCall } from '../pass.js';
import { aggregateGradients } from '../passes/aggregate-gradients.js';
import { applyGradients } from '../passes/apply-gradients.js';
import { autodiff } from '../passes/autodiff.js';
import { awaitWorkers } from '../passes/await-workers.js';
import { cacheReads } from '../passes/cache-reads.js';
import { clipGradients } from '../passes/clip-gradients.js';
import { copyShadows } from '../passes/copy-shadows.js';
import { expandBarriers } from '../passes/expand-barriers.js';
import { gateUpdates } from '../passes/gate-updates.js';
import { initialiseOnce } from '../passes/initialise-once.js';
import { insertTransfers } from '../passes/insert-transfers.js';
import { legalise } from '../passes/legalise.js';
import { placeRest } from '../passes/place-rest.js';
import { placeVariables } from '../passes/place-variables.js';
import { postInit } from '../passes/post-init.js';
import { replicateTowers } from '../passes/replicate-towers.js';
import { rewriteAllReduce } from '../passes/rewrite-all-reduce.js';
import { scopeVariables } from '../passes/scope-variables.js';
import { shadowVariables } from '../passes/shadow-variables.js';
import { simplify } from '../passes/simplify.js';
import { stageGradients } from '../passes/stage-gradients.js';
import { stageVariables } from '../passes/stage-variables.js';
import { synchronise } from '../passes/synchronise.js';
import { type Choices, contractOf } from './choices.js';

/** What the target engine can run. */
export interface Target {
  readonly collectives: 'nccl' | 'copies';
}

/** The passes that a table of choices asks for, in order, with their options. */
export function pipelineFor(
  choices: Choices,
  training: TrainingSpec,
  towers: readonly string[],
  target: Target,
): PassCall[] {
  const { optimizer, weightDecay } = training;
  const { kind: rule, ...rates } = optimizer;
  const clip = choices.clipping;
  return [
    callPass(autodiff, { weightDecay }),
    callPass(replicateTowers, { towers }),
    callPass(scopeVariables, {
      sets: choices.variables,
      saved: choices.saved,
      collection: choices.collection,
    }),
    callPass(placeVariables, {
      home: choices.home,
      counters: choices.counters,
      parameterDevice: choices.parameterDevice,
    }),
    ...(choices.reading === 'caching' ? [callPass(cacheReads, { caches: choices.caches })] : []),
    ...(choices.reading === 'staging' ? [callPass(stageVariables, { copy: choices.stagedCopy })] : []),
    ...(choices.gradients === 'staging' ? [callPass(stageGradients)] : []),
    ...(choices.update === 'shadows' ? [callPass(shadowVariables, { saved: choices.saved })] : []),
    callPass(aggregateGradients, { kind: choices.aggregation, reduction: choices.reduction }),
    ...(choices.aggregation === 'allReduce' ? [callPass(rewriteAllReduce)] : []),
    ...(clip.kind === 'none' ? [] : [callPass(clipGradients, { kind: clip.kind, limit: clip.limit })]),
    callPass(applyGradients, { optimizer: rule, ...rates }),
    ...(choices.update === 'shadows' ? [callPass(copyShadows)] : []),
    callPass(synchronise),
    ...betweenWorkers(choices),
    callPass(placeRest),
    callPass(simplify),
    ...(choices.synchronisation === 'none' ? [] : [callPass(expandBarriers)]),
    callPass(legalise, { collectives: target.collectives }),
    callPass(insertTransfers),
  ];
}

/** What sees to that the workers start from equal values and wait for each other. */
function betweenWorkers(choices: Choices): PassCall[] {
  const { synchronisation, initialCopy } = choices;
  const copies = initialCopy === 'none' ? [] : [equalCopies(choices, initialCopy)];
  switch (synchronisation) {
    case 'none':
      return copies;
    case 'asynchronous':
      return [callPass(awaitWorkers, { at: 'barrier' }), ...copies, callPass(initialiseOnce)];
    case 'synchronous':
      return [
        callPass(awaitWorkers, { at: 'step' }),
        ...copies,
        callPass(initialiseOnce),
        callPass(gateUpdates),
      ];
  }
}

/** The initial copies, from which on towers are equal where the strategy promises it. */
function equalCopies(choices: Choices, copy: Choices['initialCopy']): PassCall {
  const promises = contractOf(choices).replicasStayEqual ? ['replicas-equal'] : [];
  return { ...callPass(postInit, { copy }), promises };
}
