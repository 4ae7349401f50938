import type { Strategy } from './choices.js';

/** Every tower trains variables of its own on its own gradients (`VariableMgrIndependent`). */
export const independent = {
  name: 'independent',
  summary: 'every tower trains its own variables; nothing is exchanged',
  options: {
    localParameterDevice: null,
    stagedVars: null,
    useNccl: null,
    crossReplicaSync: null,
    reduction: null,
  },
  choices: (_options, { host, clipping }) => ({
    variables: 'perTower',
    home: 'tower',
    parameterDevice: host,
    reading: 'direct',
    gradients: 'direct',
    clipping,
    aggregation: 'none',
    reduction: 'sum',
    collection: 'global',
    counters: 'host',
    caches: 'host',
    stagedCopy: 'none',
    update: 'variables',
    synchronisation: 'none',
    initialCopy: 'none',
    saved: 'all',
  }),
} as const satisfies Strategy;
