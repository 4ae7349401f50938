import { type AttrKind, type AttrValue, getAttr, PlacewrightError, type TensorValue } from '@placewright/ir';
import type { KernelTask } from '../plan.js';
import type { Cell, Store } from '../store.js';

/** What a kernel of the runtime sees. */
export interface KernelCall {
  readonly task: KernelTask;
  readonly store: Store;
  readonly inputs: readonly Cell[];
  /** The fed value, for `Placeholder`. */
  readonly fed: TensorValue | undefined;
}

/** Runs a node and gives its outputs. */
export type RuntimeKernel = (call: KernelCall) => readonly Cell[];

export function attrOf<K extends AttrKind>(call: KernelCall, name: string, kind: K): AttrValue<K> {
  return getAttr(call.task, name, kind);
}

/** Throws PW_KERNEL_INPUT when there is no such input. */
export function inputOf(call: KernelCall, index: number): Cell {
  return call.inputs[index] ?? failed(call, `input ${index} is missing`);
}

/** Throws PW_KERNEL_INPUT with the op's name before the message. */
export function failed(call: KernelCall, message: string): never {
  throw new PlacewrightError('PW_KERNEL_INPUT', `${call.task.op}: ${message}`);
}

/** The one element of a scalar input. Throws PW_KERNEL_INPUT. */
export function scalarOf(call: KernelCall, index: number): number {
  const { shape, data } = inputOf(call, index).value;
  if (shape.length !== 0) failed(call, `input ${index} is no scalar: its shape is [${shape.join(', ')}]`);
  return Number(data[0]);
}
