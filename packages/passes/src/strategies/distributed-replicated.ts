import type { Strategy } from './choices.js';

/**
 * Every tower of every worker has its own variables, local to its task. Each worker applies the mean of its towers'
 * gradients to shadow variables on the parameter servers; when all workers have, the towers take the shadows' values
 * (`VariableMgrDistributedReplicated`).
 */
export const distributedReplicated = {
  name: 'distributed_replicated',
  summary: 'every tower has its own variables, updated through shadows on the parameter servers',
  options: {
    localParameterDevice: 'gpu',
    stagedVars: null,
    useNccl: null,
    crossReplicaSync: true,
    reduction: 'mean',
  },
  choices: ({ localParameterDevice, crossReplicaSync, reduction }, { host, clipping }) => ({
    variables: 'perTower',
    collection: 'local',
    home: 'tower',
    parameterDevice: host,
    counters: 'parameterServers',
    reading: 'direct',
    caches: 'host',
    stagedCopy: 'none',
    gradients: 'direct',
    clipping,
    aggregation: localParameterDevice === 'gpu' ? 'copyInTurn' : 'copyOnHost',
    reduction,
    update: 'shadows',
    synchronisation: crossReplicaSync ? 'synchronous' : 'asynchronous',
    initialCopy: 'shadows',
    saved: 'shadows',
  }),
} as const satisfies Strategy;
