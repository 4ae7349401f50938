import { sameShape, type TensorData, type TensorValue } from '@placewright/ir';
import { areaOf, readVariable, setVariable, writableData } from '../store.js';
import { attrOf, failed, inputOf, type KernelCall, type RuntimeKernel, scalarOf } from './kernel.js';

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

const same = (x: number): number => x;

/** Rounds to the precision of an array's elements. */
function rounderOf(data: TensorData): (x: number) => number {
  return data instanceof Float32Array ? Math.fround : same;
}

/** Inputs: learning rate, gradient. */
export const applyGradientDescent: RuntimeKernel = (call) => {
  const rate = scalarOf(call, 0);
  const gradient = operand(call, 1, 'gradient').data as Numbers;
  const [variable] = writables(call) as [Numbers];
  const round = rounderOf(variable);
  for (let i = 0; i < variable.length; i++) {
    variable[i] = (variable[i] as number) - round(rate * (gradient[i] as number));
  }
  return [];
};

/** Inputs: learning rate, gradient, momentum. */
export const applyMomentum: RuntimeKernel = (call) => {
  const rate = scalarOf(call, 0);
  const gradient = operand(call, 1, 'gradient').data as Numbers;
  const momentum = scalarOf(call, 2);
  const nesterov = attrOf(call, 'use_nesterov', 'bool');
  const [variable, sums] = writables(call) as [Numbers, Numbers];
  const round = rounderOf(variable);
  for (let i = 0; i < variable.length; i++) {
    const g = gradient[i] as number;
    const s = round(round((sums[i] as number) * momentum) + g);
    sums[i] = s;
    const step = nesterov ? round(round(g * rate) + round(round(s * momentum) * rate)) : round(s * rate);
    variable[i] = (variable[i] as number) - step;
  }
  return [];
};

/** Inputs: learning rate, decay, momentum, epsilon, gradient. */
export const applyRMSProp: RuntimeKernel = (call) => {
  const rate = scalarOf(call, 0);
  const decay = scalarOf(call, 1);
  const momentum = scalarOf(call, 2);
  const epsilon = scalarOf(call, 3);
  const gradient = operand(call, 4, 'gradient').data as Numbers;
  const [variable, squares, moments] = writables(call) as [Numbers, Numbers, Numbers];
  const round = rounderOf(variable);
  const fresh = round(1 - decay);
  for (let i = 0; i < variable.length; i++) {
    const g = gradient[i] as number;
    const old = squares[i] as number;
    const square = round(old + round(round(round(g * g) - old) * fresh));
    const step = round(round(g * rate) / round(Math.sqrt(round(square + epsilon))));
    const moment = round(round((moments[i] as number) * momentum) + step);
    squares[i] = square;
    moments[i] = moment;
    variable[i] = (variable[i] as number) - moment;
  }
  return [];
};

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
