import type { Strategy } from './choices.js';

/**
 * All towers share one set of variables on a parameter device: the host, or spread over the GPUs by elements. Staged,
 * they compute with values and apply gradients that are a step old (`VariableMgrLocalFetchFromPS`, `…StagedPS`).
 */
export const parameterServer = {
  name: 'parameter_server',
  summary: 'towers share one set of variables on a parameter device, and average their gradients there',
  options: { localParameterDevice: 'gpu', stagedVars: false, useNccl: null, reduction: 'mean' },
  choices: ({ localParameterDevice, stagedVars, reduction }, { host, clipping }) => ({
    variables: 'shared',
    home: localParameterDevice === 'gpu' ? 'leastElements' : 'parameterDevice',
    parameterDevice: host,
    reading: stagedVars ? 'staging' : 'direct',
    gradients: stagedVars ? 'staging' : 'direct',
    clipping,
    aggregation: 'copyBesideVariable',
    reduction,
    initialCopy: 'none',
    saved: 'all',
  }),
} as const satisfies Strategy;
