import {
  compatible,
  formatType,
  type Module,
  type Node,
  type NodeId,
  nodeName,
  PlacewrightError,
  type TensorValue,
} from '@placewright/ir';
import { type Kernel, kernelContext } from './kernel.js';
import { roundHalf } from './rounding.js';
import type { State } from './state.js';
import { type StateKernel, stateContext, stateKernels } from './state-ops.js';

/** What nodes act on and are computed with. */
export interface Frame {
  readonly module: Module;
  readonly state: State;
  readonly kernels: ReadonlyMap<string, Kernel>;
}

const stateTable: ReadonlyMap<string, StateKernel> = new Map(Object.entries(stateKernels));

export function isStateOp(op: string): boolean {
  return stateTable.has(op);
}

/** Computes a node that runs by itself, with its effects on the state. Throws PW_KERNEL_*, PW_VARIABLE_*. */
export function computeNode(
  { module, state, kernels }: Frame,
  node: Node,
  inputs: readonly TensorValue[],
  feeds: ReadonlyMap<NodeId, TensorValue>,
): readonly TensorValue[] {
  return guarded(node, () => {
    if (node.op === 'Placeholder') return [feeds.get(node.id) as TensorValue];
    const stateful = stateTable.get(node.op);
    if (stateful !== undefined) return checked(node, stateful(stateContext(module, state, node, inputs)));
    const kernel = kernels.get(node.op);
    if (kernel === undefined)
      throw new PlacewrightError('PW_KERNEL_MISSING', `there is no kernel for ${node.op}`);
    return checked(node, kernel(kernelContext(node, inputs)).map(roundHalf));
  });
}

/** Runs `body` with the node's name on every error, and a code on errors that have none. */
export function guarded<T>(node: Node, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const where = { node: nodeName(node) };
    if (error instanceof PlacewrightError) throw error.at(where);
    const text = error instanceof Error ? error.message : String(error);
    throw new PlacewrightError('PW_KERNEL_FAILED', `${node.op}: ${text}`, {
      where,
      cause: error,
      hint: 'the kernel threw this; for an op of your own, mend its kernel, else report it',
    });
  }
}

/** Outputs as declared, or PW_KERNEL_OUTPUT: either the kernel or the op's shape function is wrong. */
export function checked(node: Node, outputs: readonly TensorValue[]): readonly TensorValue[] {
  const fits = (value: TensorValue | undefined, i: number): boolean => {
    const type = node.outputs[i];
    return type !== undefined && type.dtype === value?.dtype && compatible(type.shape, value.shape);
  };
  if (outputs.length === node.outputs.length && outputs.every(fits)) return outputs;
  const show = (
    types: readonly { dtype: TensorValue['dtype']; shape: readonly (number | null)[] }[],
  ): string => types.map(formatType).join(', ') || 'nothing';
  throw new PlacewrightError(
    'PW_KERNEL_OUTPUT',
    `${node.op} gave ${show(outputs)} and is declared to give ${show(node.outputs)}`,
    {
      kind: 'internal',
      hint: "the kernel or the op's shape function is wrong",
    },
  );
}
