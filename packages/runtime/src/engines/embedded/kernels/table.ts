import { allocate, elementCount, PlacewrightError, randomValues, tensorOf } from '@placewright/ir';
import type { RuntimeOp } from '../op-kinds.js';
import { cellOf } from '../store.js';
import { attrOf, failed, inputOf, type KernelCall, type RuntimeKernel } from './kernel.js';
import * as state from './state.js';

const placeholder: RuntimeKernel = (call) => [cellOf(call.fed ?? failed(call, 'it was not fed'))];
const noOp: RuntimeKernel = () => [];
const identity: RuntimeKernel = (call) => [inputOf(call, 0)];
const random: RuntimeKernel = ({ task, inputs }) => [
  cellOf(
    randomValues(
      task,
      inputs.map(({ value }) => value),
    ),
  ),
];

const fill: RuntimeKernel = (call) => {
  const shape = attrOf(call, 'shape', 'shape');
  const count = elementCount(shape);
  if (count === null) return failed(call, 'the shape must be known before the run');
  const value = attrOf(call, 'value', 'float');
  const one = tensorOf(attrOf(call, 'dtype', 'dtype'), [1], [value]);
  const data = allocate(one.dtype, count);
  (data as Float32Array).fill((one.data as Float32Array)[0] ?? 0);
  return [cellOf({ dtype: one.dtype, shape: shape as readonly number[], data })];
};

const constant: RuntimeKernel = (call) => [cellOf(attrOf(call, 'value', 'tensor'))];

/** Along the first dimension; others are a region's. */
const split: RuntimeKernel = (call) => {
  const { dtype, shape, data } = inputOf(call, 0).value;
  const parts = attrOf(call, 'num_split', 'int');
  const [rows = 0, ...rest] = shape;
  if (rows % parts !== 0) failed(call, `dimension 0 of ${rows} does not divide into ${parts} parts`);
  const size = data.length / parts;
  return Array.from({ length: parts }, (_, part) =>
    cellOf({ dtype, shape: [rows / parts, ...rest], data: data.slice(part * size, (part + 1) * size) }),
  );
};

/** Kernels of the ops between regions. Copies and collectives between devices are the executor's own. */
export const runtimeKernels = {
  Placeholder: placeholder,
  NoOp: noOp,
  Fill: fill,
  StatelessRandomUniform: random,
  StatelessRandomNormal: random,
  StatelessTruncatedNormal: random,
  StatelessRandomUniformV2: random,
  ReadVariableOp: state.readVariableOp,
  AssignVariableOp: state.assign,
  AssignAddVariableOp: state.assignAdd,
  AssignSubVariableOp: state.assignSub,
  ResourceApplyGradientDescent: state.applyGradientDescent,
  ResourceApplyMomentum: state.applyMomentum,
  ResourceApplyRMSProp: state.applyRMSProp,
  Stage: state.stage,
  Unstage: state.unstage,
  QueueEnqueueV2: state.stage,
  QueueDequeueV2: state.unstage,
  QueueDequeueManyV2: state.dequeueMany,
  Transfer: identity,
} satisfies Record<Exclude<RuntimeOp, 'NcclAllReduce' | 'Barrier'>, RuntimeKernel>;

const table: ReadonlyMap<string, RuntimeKernel> = new Map<string, RuntimeKernel>([
  ...Object.entries(runtimeKernels),
  ['Const', (call) => constant(call).map((cell) => ({ ...cell, refs: 1 }))],
  ['Identity', identity],
  ['StopGradient', identity],
  ['Split', split],
]);

/** The kernel of a node that the runtime runs itself. */
export function runtimeKernel(call: KernelCall): RuntimeKernel {
  const kernel = table.get(call.task.op);
  if (kernel !== undefined) return kernel;
  throw new PlacewrightError('PW_ENGINE_OP', `the embedded engine has no kernel for ${call.task.op}`);
}
