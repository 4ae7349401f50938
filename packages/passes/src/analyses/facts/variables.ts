import { type DeviceName, type Node, resourceName, type VariableResource } from '@placewright/ir';
import type { SavableFacts, VariableFacts } from './form.js';
import { takersOf, type View } from './view.js';

export function variableFacts(view: View): VariableFacts[] {
  return view.variables.map((variable) => ({
    name: resourceName(variable),
    shape: variable.shape,
    dtype: variable.dtype,
    device: variable.device,
    trainable: variable.trainable,
    collection: variable.collection,
    readDevice: readDevice(view, variable),
  }));
}

/** The device of what keeps the value for the towers, else of what reads it in a step; its own where nothing does. */
function readDevice(view: View, variable: VariableResource): DeviceName {
  const reads = (view.acting.get(variable.id) ?? []).filter(
    ({ op, id }) => op === 'ReadVariableOp' && view.running.has(id),
  );
  const caches = reads.flatMap(({ id }) => takersOf(view, id)).filter(isCache);
  return caches[0]?.device ?? reads[0]?.device ?? variable.device;
}

/** What all towers take a variable's value from. A tower's own `Identity` is the model's or a staging area's. */
function isCache({ op, phase, origin }: Node): boolean {
  return op === 'Identity' && phase === 'forward' && origin.pass === 'cache-reads';
}

export function savableFacts({ variables }: View): SavableFacts[] {
  return variables.flatMap((variable) =>
    variable.savedAs === null ? [] : [{ key: variable.savedAs, variable: resourceName(variable) }],
  );
}
