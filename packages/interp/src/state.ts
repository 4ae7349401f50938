import {
  type BufferResource,
  checkState,
  checkVariable,
  dataFault,
  isBuffer,
  type Module,
  type ModuleState,
  PlacewrightError,
  type Resource,
  type ResourceId,
  readTooEarly,
  resourceName,
  type TensorValue,
  unknownVariable,
  type VariableResource,
} from '@placewright/ir';
import { copyOf } from './data.js';
import { roundHalf } from './rounding.js';

/**
 * What outlives a run. Values are immutable: an update puts a new value in the place of the old one, so a read is a
 * snapshot that costs nothing.
 */
export interface State {
  /** Initialised variables. */
  readonly variables: Map<ResourceId, TensorValue>;
  /** Tuples in staging areas, oldest first. */
  readonly areas: Map<ResourceId, (readonly TensorValue[])[]>;
}

export function emptyState(): State {
  return { variables: new Map(), areas: new Map() };
}

export function resourceOf(module: Module, id: ResourceId): Resource {
  const resource = module.resources.get(id);
  if (resource === undefined) throw new PlacewrightError('PW_RESOURCE_UNKNOWN', `there is no resource ${id}`);
  return resource;
}

export function variableOf(module: Module, id: ResourceId | undefined): VariableResource {
  const resource = id === undefined ? undefined : resourceOf(module, id);
  if (resource?.kind === 'variable') return resource;
  throw new PlacewrightError('PW_RESOURCE_KIND', `${describe(resource)} is used as a variable`);
}

export function areaOf(module: Module, id: ResourceId | undefined): BufferResource {
  const resource = id === undefined ? undefined : resourceOf(module, id);
  if (isBuffer(resource)) return resource;
  throw new PlacewrightError('PW_RESOURCE_KIND', `${describe(resource)} is used as a staging area or queue`);
}

function describe(resource: Resource | undefined): string {
  return resource === undefined
    ? 'a missing resource'
    : `${resource.kind} ${JSON.stringify(resourceName(resource))}`;
}

/** Throws PW_VARIABLE_UNINITIALIZED. */
export function readVariable(state: State, variable: VariableResource): TensorValue {
  const value = state.variables.get(variable.id);
  if (value !== undefined) return value;
  throw readTooEarly(resourceName(variable));
}

/** Throws PW_VARIABLE_DTYPE, PW_VARIABLE_SHAPE. */
export function writeVariable(state: State, variable: VariableResource, value: TensorValue): void {
  checkVariable(resourceName(variable), variable, value);
  state.variables.set(variable.id, value);
}

/** Copies of the initialised ones among the variables. */
export function snapshotVariables(
  variables: ReadonlyMap<string, VariableResource>,
  state: State,
): Map<string, TensorValue> {
  const out = new Map<string, TensorValue>();
  for (const [name, { id }] of variables) {
    const value = state.variables.get(id);
    if (value !== undefined) out.set(name, copyOf(value));
  }
  return out;
}

/** Sets some of the variables that are known by name, all or none. Throws PW_VARIABLE_UNKNOWN, PW_VARIABLE_DTYPE, PW_VARIABLE_SHAPE. */
export function restoreVariables(
  variables: ReadonlyMap<string, VariableResource>,
  state: State,
  values: ReadonlyMap<string, TensorValue>,
): void {
  const next: State = { variables: new Map(state.variables), areas: state.areas };
  for (const [name, value] of values) {
    const variable = variables.get(name);
    if (variable === undefined) throw unknownVariable(name, [...variables.keys()]);
    checkData(name, value);
    writeVariable(next, variable, roundHalf(copyOf(value)));
  }
  for (const [id, value] of next.variables) state.variables.set(id, value);
}

/** Copies of all that outlives runs. */
export function readState(module: Module, state: State): ModuleState {
  const areas = [...module.resources.values()].filter(isBuffer);
  return {
    variables: new Map([...state.variables].map(([id, value]) => [id, copyOf(value)])),
    buffers: new Map(areas.map(({ id }) => [id, (state.areas.get(id) ?? []).map((t) => t.map(copyOf))])),
  };
}

/** Sets what is given, all or none. Throws PW_STATE_*, PW_VARIABLE_*. */
export function writeState(module: Module, state: State, given: ModuleState): void {
  checkState(module, given);
  for (const [id, value] of given.variables) state.variables.set(id, roundHalf(copyOf(value)));
  for (const [id, tuples] of given.buffers)
    state.areas.set(
      id,
      tuples.map((tuple) => tuple.map(copyOf)),
    );
}

function checkData(name: string, value: TensorValue): void {
  const fault = dataFault(value);
  if (fault === undefined) return;
  throw new PlacewrightError('PW_VARIABLE_DATA', `the value for variable ${JSON.stringify(name)} ${fault}`);
}
