import type { Strategy } from './choices.js';

/**
 * Every tower has its own variables, kept equal by applying the same aggregated gradient: by all-reduce, or by copying
 * to the host or to the GPUs in turn (`VariableMgrLocalReplicated`, which sums).
 */
export const replicated = {
  name: 'replicated',
  summary: 'every tower has its own variables, kept equal by summing gradients over the towers',
  options: {
    localParameterDevice: 'gpu',
    stagedVars: null,
    useNccl: true,
    crossReplicaSync: null,
    reduction: 'sum',
  },
  choices: ({ localParameterDevice, useNccl, reduction }, { host, clipping }) => ({
    variables: 'perTower',
    home: 'tower',
    parameterDevice: host,
    reading: 'direct',
    gradients: 'direct',
    clipping,
    aggregation: useNccl ? 'allReduce' : localParameterDevice === 'gpu' ? 'copyInTurn' : 'copyOnHost',
    reduction,
    collection: 'global',
    counters: 'host',
    caches: 'host',
    stagedCopy: 'none',
    update: 'variables',
    synchronisation: 'none',
    initialCopy: 'tower0',
    saved: 'tower0',
  }),
} as const satisfies Strategy;
