import {
  checkState,
  type DeviceName,
  isBuffer,
  type Module,
  type ModuleState,
  type ResourceId,
  type TensorValue,
  type Tuples,
} from '@placewright/ir';
import type { Pool } from './pool.js';

// All of a session's state, from and to its devices. Nothing may run meanwhile.

/** Copies of all variables that have a value, and of what each buffer holds. */
export async function readState(pool: Pool, module: Module): Promise<ModuleState> {
  const variables = new Map<ResourceId, TensorValue>();
  const buffers = new Map<ResourceId, Tuples>();
  const ids = new Map<DeviceName, ResourceId[]>();
  const calls: Promise<void>[] = [];
  for (const resource of module.resources.values()) {
    const { id, device } = resource;
    if (resource.kind === 'variable') pushTo(ids, device, id);
    if (!isBuffer(resource)) continue;
    buffers.set(id, []);
    calls.push(
      pool
        .call(device, (call) => ({ kind: 'read-buffer', call, id }))
        .then((values) => {
          buffers.set(id, tuplesOf(values, resource.types.length));
        }),
    );
  }
  for (const [device, own] of ids) {
    calls.push(
      pool
        .call(device, (call) => ({ kind: 'read', call, ids: own }))
        .then((values) => {
          own.forEach((id, i) => {
            const value = values[i];
            if (value !== undefined && value !== null) variables.set(id, value);
          });
        }),
    );
  }
  await Promise.all(calls);
  return { variables, buffers };
}

function tuplesOf(values: readonly (TensorValue | null)[], width: number): Tuples {
  const present = values.filter((value): value is TensorValue => value !== null);
  return Array.from({ length: present.length / Math.max(1, width) }, (_, i) =>
    present.slice(i * width, (i + 1) * width),
  );
}

/** Sets what is given, all or none. Throws PW_STATE_*, PW_VARIABLE_*. */
export async function writeState(pool: Pool, module: Module, state: ModuleState): Promise<void> {
  checkState(module, state);
  const deviceOf = (id: ResourceId): DeviceName => module.resources.get(id)?.device ?? '';
  const values = new Map<DeviceName, { readonly id: ResourceId; readonly value: TensorValue }[]>();
  for (const [id, value] of state.variables) pushTo(values, deviceOf(id), { id, value });
  await Promise.all([
    ...[...values].map(([device, list]) =>
      pool.call(device, (call) => ({ kind: 'write', call, values: list })),
    ),
    ...[...state.buffers].map(([id, tuples]) =>
      pool.call(deviceOf(id), (call) => ({ kind: 'write-buffer', call, id, tuples })),
    ),
  ]);
}

function pushTo<T>(lists: Map<DeviceName, T[]>, device: DeviceName, item: T): void {
  const list = lists.get(device);
  if (list === undefined) lists.set(device, [item]);
  else list.push(item);
}
