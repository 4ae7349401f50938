import type { Module } from '@placewright/ir';
import { balancerLoads } from './balancer-loads.js';
import type { Facts } from './facts/form.js';
import { deltaFacts, stagedVariables, stagingFacts, trainableFacts } from './facts/staging.js';
import { applyFacts, copyFacts, countFacts, queueFacts } from './facts/updates.js';
import { savableFacts, variableFacts } from './facts/variables.js';
import { viewOf } from './facts/view.js';

export type * from './facts/form.js';

/**
 * What was placed where, as the original's runs are recorded. All of it is read off the module and nothing is computed
 * beside it, so that a module that was written as text and read again has the same facts, and a changed one others.
 */
export function factsOf(module: Module): Facts {
  const view = viewOf(module);
  const staged = stagedVariables(view);
  const apply = applyFacts(view);
  return {
    variables: variableFacts(view),
    savable: savableFacts(view),
    loads: balancerLoads(module),
    staging: stagingFacts(staged),
    stagingDeltas: deltaFacts(view),
    trainableOnDevice: trainableFacts(view, staged),
    applyDevices: apply.length,
    apply,
    postInit: copyFacts(view),
    syncQueues: queueFacts(view),
    nodeCounts: countFacts(view),
  };
}
