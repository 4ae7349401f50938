import {
  isBuffer,
  type Module,
  type Node,
  PlacewrightError,
  putsIntoBuffer,
  sameShape,
  stackTuples,
  type TensorValue,
  takesFromBuffer,
  tuplesTaken,
} from '@placewright/ir';
import { type KernelContext, kernelContext } from './kernel.js';
import { addValues, subtractValues } from './kernels/elementwise.js';
import type { StateOp } from './op-kinds.js';
import { applyGradientDescent, applyMomentum, applyRMSProp } from './optimizers.js';
import { roundHalf } from './rounding.js';
import { areaOf, readVariable, resourceOf, type State, variableOf, writeVariable } from './state.js';

/** What the kernel of a stateful op sees: beside its inputs, the node's resources by index. */
export interface StateContext extends KernelContext {
  /** Value of a variable. Throws PW_VARIABLE_UNINITIALIZED. */
  read(resource: number): TensorValue;
  /** Replaces the value of a variable. Throws PW_VARIABLE_DTYPE, PW_VARIABLE_SHAPE. */
  write(resource: number, value: TensorValue): void;
  /** Tuples in a staging area, oldest first; changed in place. */
  tuples(resource: number): (readonly TensorValue[])[];
}

export type StateKernel = (context: StateContext) => readonly TensorValue[];

export function stateContext(
  module: Module,
  state: State,
  node: Node,
  inputs: readonly TensorValue[],
): StateContext {
  return {
    ...kernelContext(node, inputs),
    read: (index) => readVariable(state, variableOf(module, node.resources[index])),
    write: (index, value) =>
      writeVariable(state, variableOf(module, node.resources[index]), roundHalf(value)),
    tuples: (index) => {
      const { id } = areaOf(module, node.resources[index]);
      const tuples = state.areas.get(id) ?? [];
      state.areas.set(id, tuples);
      return tuples;
    },
  };
}

const readVariableOp: StateKernel = (context) => [context.read(0)];

const assign: StateKernel = (context) => {
  context.write(0, context.input(0));
  return [];
};

function update(combine: (variable: TensorValue, value: TensorValue) => TensorValue): StateKernel {
  return (context) => {
    const variable = context.read(0);
    const value = context.input(0);
    if (!sameShape(variable.shape, value.shape)) {
      context.fail(
        `the variable is [${variable.shape.join(', ')}] and the value [${value.shape.join(', ')}]`,
      );
    }
    context.write(0, combine(variable, value));
    return [];
  };
}

const stage: StateKernel = (context) => {
  context.tuples(0).push(context.inputs);
  return [];
};

const unstage: StateKernel = (context) => {
  const tuple = context.tuples(0).shift();
  if (tuple === undefined)
    throw new PlacewrightError('PW_INTERNAL_UNSTAGE', 'an empty area was read', { kind: 'internal' });
  return tuple;
};

/** All at once: the scheduler waits until there are enough. */
const dequeueMany: StateKernel = (context) =>
  stackTuples(context.node.outputs, context.tuples(0).splice(0, tuplesTaken(context.node)));

/** Ops that act on the module's state; whether a staging op can run is the scheduler's to know. */
export const stateKernels = {
  ReadVariableOp: readVariableOp,
  AssignVariableOp: assign,
  AssignAddVariableOp: update(addValues),
  AssignSubVariableOp: update(subtractValues),
  ResourceApplyGradientDescent: applyGradientDescent,
  ResourceApplyMomentum: applyMomentum,
  ResourceApplyRMSProp: applyRMSProp,
  Stage: stage,
  Unstage: unstage,
  QueueEnqueueV2: stage,
  QueueDequeueV2: unstage,
  QueueDequeueManyV2: dequeueMany,
} satisfies Record<StateOp, StateKernel>;

/** Whether an op on a buffer must wait: to get for enough tuples, to put for room (a capacity of 0 is no limit). */
export function mustWait(module: Module, state: State, node: Node): boolean {
  const [id] = node.resources;
  if (id === undefined) return false;
  const resource = resourceOf(module, id);
  if (!isBuffer(resource)) return false;
  const depth = state.areas.get(id)?.length ?? 0;
  if (takesFromBuffer(node.op)) return depth < tuplesTaken(node);
  return putsIntoBuffer(node.op) && resource.capacity > 0 && depth >= resource.capacity;
}
