import {
  allocate,
  checkVariable,
  PlacewrightError,
  type ResourceId,
  readTooEarly,
  type TensorData,
  type TensorValue,
  type Tuples,
} from '@placewright/ir';
import type { ResourceInfo } from './protocol.js';

/**
 * A value with the number of places that hold it: variables, slots of a run, staged tuples. Only a value with a single
 * holder may be changed or handed to another thread.
 */
export interface Cell {
  readonly value: TensorValue;
  refs: number;
}

export function cellOf(value: TensorValue): Cell {
  return { value, refs: 0 };
}

type VariableInfo = Extract<ResourceInfo, { kind: 'variable' }>;
type AreaInfo = Extract<ResourceInfo, { kind: 'buffer' }>;

interface Area {
  readonly info: AreaInfo;
  readonly tuples: (readonly Cell[])[];
}

/** The state of one device that outlives runs. */
export interface Store {
  readonly variables: ReadonlyMap<ResourceId, VariableInfo>;
  readonly values: Map<ResourceId, Cell>;
  readonly areas: ReadonlyMap<ResourceId, Area>;
}

export function createStore(resources: readonly ResourceInfo[]): Store {
  const variables = new Map<ResourceId, VariableInfo>();
  const areas = new Map<ResourceId, Area>();
  for (const info of resources) {
    if (info.kind === 'variable') variables.set(info.id, info);
    else areas.set(info.id, { info, tuples: [] });
  }
  return { variables, values: new Map(), areas };
}

export function variableOf(store: Store, id: ResourceId | undefined): VariableInfo {
  const info = id === undefined ? undefined : store.variables.get(id);
  if (info !== undefined) return info;
  throw new PlacewrightError('PW_RESOURCE_DEVICE', 'an op acts on a variable of another device', {
    hint: 'an op must be on the device of its variable: see the invariant resource-colocated',
  });
}

export function areaOf(store: Store, id: ResourceId | undefined): Area {
  const area = id === undefined ? undefined : store.areas.get(id);
  if (area !== undefined) return area;
  throw new PlacewrightError('PW_RESOURCE_DEVICE', 'an op acts on a staging area of another device', {
    hint: 'an op must be on the device of its staging area: see the invariant resource-colocated',
  });
}

/** The cell of an initialised variable. Throws PW_VARIABLE_UNINITIALIZED. */
export function readVariable(store: Store, id: ResourceId | undefined): Cell {
  const { name, id: known } = variableOf(store, id);
  const cell = store.values.get(known);
  if (cell !== undefined) return cell;
  throw readTooEarly(name);
}

/** Makes a cell the value of a variable. Throws PW_VARIABLE_DTYPE, PW_VARIABLE_SHAPE. */
export function setVariable(store: Store, id: ResourceId | undefined, cell: Cell): void {
  const variable = variableOf(store, id);
  checkVariable(variable.name, variable, cell.value);
  cell.refs += 1;
  const old = store.values.get(variable.id);
  if (old !== undefined) old.refs -= 1;
  store.values.set(variable.id, cell);
}

/** The elements of an initialised variable, to be changed in place: those that others still hold are copied first. */
export function writableData(store: Store, id: ResourceId | undefined): TensorData {
  const cell = readVariable(store, id);
  if (cell.refs === 1) return cell.value.data;
  const copy = cellOf(copyOf(cell.value));
  setVariable(store, id, copy);
  return copy.value.data;
}

/** Copies of the tensors in a buffer, tuple after tuple. */
export function readTuples(store: Store, id: ResourceId): readonly TensorValue[] {
  return areaOf(store, id)
    .tuples.flat()
    .map((cell) => copyOf(cell.value));
}

/** Puts tuples in the place of those that a buffer holds. */
export function writeTuples(store: Store, id: ResourceId, tuples: Tuples): readonly [] {
  const area = areaOf(store, id);
  const held = tuples.map((tuple) => tuple.map((value): Cell => ({ value, refs: 1 })));
  for (const cell of area.tuples.splice(0, area.tuples.length, ...held).flat()) cell.refs -= 1;
  return [];
}

export function copyOf({ dtype, shape, data }: TensorValue): TensorValue {
  const copy = allocate(dtype, data.length);
  // Both are of the dtype's own array type.
  (copy as Float32Array).set(data as Float32Array);
  return { dtype, shape, data: copy };
}
