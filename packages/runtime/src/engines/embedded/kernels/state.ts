import { sameShape, stackTuples, type TensorData, type TensorValue, tuplesTaken } from '@placewright/ir';
import { areaOf, cellOf, readVariable, setVariable, writableData } from '../store.js';
import { attrOf, failed, inputOf, type KernelCall, type RuntimeKernel, scalarOf } from './kernel.js';
import {
  add,
  array,
  constant,
  div,
  type Floats,
  mul,
  scalar,
  sqrt,
  sub,
  type VectorKernel,
  vectorKernel,
} from './vector.js';

// TensorFlow's training kernels, with its order of operations, each rounded to the variable's dtype, in place.

type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

export const readVariableOp: RuntimeKernel = ({ store, task }) => [readVariable(store, task.resources[0])];

export const assign: RuntimeKernel = (call) => {
  setVariable(call.store, call.task.resources[0], inputOf(call, 0));
  return [];
};

/** A gradient or other operand of the shape of all resources. Throws PW_KERNEL_INPUT, PW_VARIABLE_UNINITIALIZED. */
function operand(call: KernelCall, index: number, what: string): TensorValue {
  const { value } = inputOf(call, index);
  for (const id of call.task.resources) {
    const { shape } = readVariable(call.store, id).value;
    if (!sameShape(shape, value.shape)) {
      failed(call, `the variable is [${shape.join(', ')}] and the ${what} [${value.shape.join(', ')}]`);
    }
  }
  return value;
}

function writables(call: KernelCall): TensorData[] {
  return call.task.resources.map((id) => writableData(call.store, id));
}

const update =
  (sign: 1 | -1): RuntimeKernel =>
  (call) => {
    const { data } = operand(call, 0, 'value');
    const [variable] = writables(call);
    if (variable instanceof BigInt64Array) addBig(variable, data as BigInt64Array, BigInt(sign));
    else addNumbers(variable as Numbers, data as Numbers, sign);
    return [];
  };

function addBig(variable: BigInt64Array, data: BigInt64Array, sign: bigint): void {
  for (let i = 0; i < variable.length; i++)
    variable[i] = (variable[i] as bigint) + sign * (data[i] as bigint);
}

function addNumbers(variable: Numbers, data: Numbers, sign: number): void {
  for (let i = 0; i < variable.length; i++)
    variable[i] = (variable[i] as number) + sign * (data[i] as number);
}

export const assignAdd = update(1);
export const assignSub = update(-1);

/**
 * A training kernel: new values of the variable and its slots, of which array i is resource i and the last one the
 * gradient. `gradientAt` is the gradient's input; all others are the scalars, in their order.
 */
function training(gradientAt: number, results: (call: KernelCall) => VectorKernel): RuntimeKernel {
  return (call) => {
    const gradient = operand(call, gradientAt, 'gradient').data as Floats;
    const scalars = call.inputs.flatMap((_, i) => (i === gradientAt ? [] : [scalarOf(call, i)]));
    const resources = writables(call) as Floats[];
    results(call)([...resources, gradient], resources, scalars);
    return [];
  };
}

const descent = vectorKernel([sub(array(0), mul(scalar(0), array(1)))]);

/** Inputs: learning rate, gradient. */
export const applyGradientDescent = training(1, () => descent);

/** Arrays: variable, sums, gradient. Scalars: learning rate, momentum. */
function momentumKernel(nesterov: boolean): VectorKernel {
  const [variable, sums, gradient] = [array(0), array(1), array(2)];
  const [rate, momentum] = [scalar(0), scalar(1)];
  const sum = add(mul(sums, momentum), gradient);
  const step = nesterov ? add(mul(gradient, rate), mul(mul(sum, momentum), rate)) : mul(sum, rate);
  return vectorKernel([sub(variable, step), sum]);
}

const plainMomentum = momentumKernel(false);
const nesterovMomentum = momentumKernel(true);

/** Inputs: learning rate, gradient, momentum. */
export const applyMomentum = training(1, (call) =>
  attrOf(call, 'use_nesterov', 'bool') ? nesterovMomentum : plainMomentum,
);

/** Arrays: variable, mean squares, moments, gradient. Scalars: learning rate, decay, momentum, epsilon. */
function rmsPropKernel(): VectorKernel {
  const [variable, squares, moments, gradient] = [array(0), array(1), array(2), array(3)];
  const [rate, decay, momentum, epsilon] = [scalar(0), scalar(1), scalar(2), scalar(3)];
  const fresh = sub(constant(1), decay);
  const square = add(squares, mul(sub(mul(gradient, gradient), squares), fresh));
  const step = div(mul(gradient, rate), sqrt(add(square, epsilon)));
  const moment = add(mul(moments, momentum), step);
  return vectorKernel([sub(variable, moment), square, moment]);
}

const rmsProp = rmsPropKernel();

/** Inputs: learning rate, decay, momentum, epsilon, gradient. */
export const applyRMSProp = training(4, () => rmsProp);

/** The executor runs it when there is room. */
export const stage: RuntimeKernel = ({ store, task, inputs }) => {
  for (const cell of inputs) cell.refs += 1;
  areaOf(store, task.resources[0]).tuples.push(inputs);
  return [];
};

/** The executor runs it when there is a tuple. */
export const unstage: RuntimeKernel = (call) => {
  const tuple = areaOf(call.store, call.task.resources[0]).tuples.shift();
  if (tuple === undefined) return failed(call, 'the staging area is empty');
  for (const cell of tuple) cell.refs -= 1;
  return tuple;
};

/** The executor runs it when there are enough tuples. */
export const dequeueMany: RuntimeKernel = ({ store, task }) => {
  const taken = areaOf(store, task.resources[0]).tuples.splice(0, tuplesTaken(task));
  for (const cell of taken.flat()) cell.refs -= 1;
  const values = taken.map((tuple) => tuple.map(({ value }) => value));
  return stackTuples(task.types, values).map(cellOf);
};
