import {
  type AttrKind,
  type Attrs,
  type AttrValue,
  getAttr,
  type Node,
  PlacewrightError,
  type TensorType,
  type TensorValue,
} from '@placewright/ir';

/** What a kernel sees: one node with the values of its inputs. Values are immutable; a kernel never writes into one. */
export interface KernelContext {
  readonly node: Node;
  readonly op: string;
  readonly inputs: readonly TensorValue[];
  readonly attrs: Attrs;
  /** Declared types of the outputs; dimensions not known before the run are null. */
  readonly outputs: readonly TensorType[];
  attr<K extends AttrKind>(name: string, kind: K): AttrValue<K>;
  /** Throws PW_KERNEL_INPUT when there is no such input. */
  input(index: number): TensorValue;
  /** Declared type of an output. */
  output(index: number): TensorType;
  /** Throws PW_KERNEL_INPUT with the op's name before the message; the node is added by the interpreter. */
  fail(message: string, hint?: string): never;
}

/**
 * Computes the outputs of a pure op. Outputs may be inputs themselves (`Identity`), or views of nothing else: no kernel
 * keeps or changes what it is given.
 */
export type Kernel = (context: KernelContext) => readonly TensorValue[];

export function kernelContext(node: Node, inputs: readonly TensorValue[]): KernelContext {
  const fail = (message: string, hint?: string): never => {
    throw new PlacewrightError(
      'PW_KERNEL_INPUT',
      `${node.op}: ${message}`,
      hint === undefined ? {} : { hint },
    );
  };
  return {
    node,
    op: node.op,
    inputs,
    attrs: node.attrs,
    outputs: node.outputs,
    attr: (name, kind) => getAttr(node, name, kind),
    input: (index) => inputs[index] ?? fail(`input ${index} is missing`),
    output: (index) => node.outputs[index] ?? fail(`output ${index} is not declared`),
    fail,
  };
}
