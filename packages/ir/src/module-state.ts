import { isBuffer } from './buffers.js';
import { PlacewrightError } from './errors.js';
import { type Module, type ResourceId, resourceName } from './graph.js';
import { checkVariable, dataFault } from './run-checks.js';
import { compatible, formatType } from './shape.js';
import type { TensorValue } from './tensor.js';

/** What a buffer holds, oldest tuple first. */
export type Tuples = readonly (readonly TensorValue[])[];

/** What outlives the runs of a module, by resource: names need not be unique in linked modules. */
export interface ModuleState {
  /** Variables that have a value. */
  readonly variables: ReadonlyMap<ResourceId, TensorValue>;
  /** Staging areas and queues. */
  readonly buffers: ReadonlyMap<ResourceId, Tuples>;
}

/**
 * Checks a state that is to be a module's, before any of it is set. Throws PW_STATE_RESOURCE, PW_STATE_BUFFER,
 * PW_VARIABLE_DTYPE, PW_VARIABLE_SHAPE, PW_VARIABLE_DATA.
 */
export function checkState(module: Module, { variables, buffers }: ModuleState): void {
  for (const [id, value] of variables) {
    const variable = module.resources.get(id);
    if (variable?.kind !== 'variable') throw noResource(id, 'variable');
    const name = resourceName(variable);
    const fault = dataFault(value);
    if (fault !== undefined) {
      throw new PlacewrightError(
        'PW_VARIABLE_DATA',
        `the value for variable ${JSON.stringify(name)} ${fault}`,
      );
    }
    checkVariable(name, variable, value);
  }
  for (const [id, tuples] of buffers) checkTuples(module, id, tuples);
}

function checkTuples(module: Module, id: ResourceId, tuples: Tuples): void {
  const buffer = module.resources.get(id);
  if (!isBuffer(buffer)) throw noResource(id, 'staging area or queue');
  const { capacity, types } = buffer;
  const fail = (why: string): never => {
    throw new PlacewrightError('PW_STATE_BUFFER', `${JSON.stringify(resourceName(buffer))} ${why}`, {
      hint: 'give it what a session of the same lowered graph held',
    });
  };
  if (capacity > 0 && tuples.length > capacity)
    fail(`is to hold ${tuples.length} tuples, and has room for ${capacity}`);
  for (const tuple of tuples) {
    if (tuple.length !== types.length)
      fail(`is to hold a tuple of ${tuple.length} tensors, and takes ${types.length}`);
    types.forEach((type, i) => {
      const value = tuple[i];
      if (value === undefined) return;
      const fits = value.dtype === type.dtype && compatible(value.shape, type.shape);
      if (!fits) fail(`is to hold ${formatType(value)}, and takes ${formatType(type)}`);
      const fault = dataFault(value);
      if (fault !== undefined) fail(`is to hold a tensor that ${fault}`);
    });
  }
}

function noResource(id: ResourceId, what: string): PlacewrightError {
  return new PlacewrightError('PW_STATE_RESOURCE', `the module has no ${what} ${id}`, {
    hint: 'give the state of a session of the same lowered graph',
  });
}
