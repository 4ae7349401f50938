import type { Choices, Strategy } from './choices.js';

/**
 * All towers share one set of variables. On one task they live on a parameter device: the host, or spread over the GPUs
 * by elements (`VariableMgrLocalFetchFromPS`). In a cluster they are spread over the parameter servers by bytes, read
 * through caching devices, and gradients meet on the worker's host (`VariableMgrDistributedFetchFromPS`). Staged, towers
 * compute with values and apply gradients that are a step old (`...StagedPS`).
 */
export const parameterServer = {
  name: 'parameter_server',
  summary: 'towers share one set of variables on a parameter device, and average their gradients',
  options: {
    localParameterDevice: 'gpu',
    stagedVars: false,
    useNccl: null,
    crossReplicaSync: true,
    reduction: 'mean',
  },
  choices: (options, { host, clipping, distributed }) => {
    const { localParameterDevice, stagedVars, crossReplicaSync, reduction } = options;
    const onGpu = localParameterDevice === 'gpu';
    const place = distributed ? clustered(crossReplicaSync) : local(onGpu);
    return {
      variables: 'shared',
      collection: 'global',
      parameterDevice: host,
      reading: stagedVars ? 'staging' : place.reading,
      caches: onGpu ? 'towers' : 'host',
      gradients: stagedVars ? 'staging' : 'direct',
      clipping,
      reduction,
      update: 'variables',
      initialCopy: 'none',
      saved: 'all',
      ...place.choices,
    };
  },
} as const satisfies Strategy;

type Place = Pick<Choices, 'home' | 'counters' | 'stagedCopy' | 'aggregation' | 'synchronisation'>;

function local(onGpu: boolean): { readonly reading: 'direct'; readonly choices: Place } {
  return {
    reading: 'direct',
    choices: {
      home: onGpu ? 'leastElements' : 'parameterDevice',
      counters: 'host',
      stagedCopy: 'none',
      aggregation: 'copyBesideVariable',
      synchronisation: 'none',
    },
  };
}

function clustered(together: boolean): { readonly reading: 'caching'; readonly choices: Place } {
  return {
    reading: 'caching',
    choices: {
      home: 'leastBytes',
      counters: 'parameterServers',
      stagedCopy: 'host',
      aggregation: 'copyOnHost',
      synchronisation: together ? 'synchronous' : 'asynchronous',
    },
  };
}
