import type { RegionOp } from '../op-kinds.js';
import * as array from './array.js';
import type { Emitter, Refusal } from './context.js';
import * as conv from './conv.js';
import * as elementwise from './elementwise.js';
import * as fused from './fused.js';
import * as lrn from './lrn.js';
import * as math from './math.js';
import * as nn from './nn.js';
import * as norm from './norm.js';
import * as pool from './pool.js';

/** How every built-in op that a region can hold is written in ONNX. */
export const emitters = {
  Const: array.constant,
  Identity: elementwise.identity,
  StopGradient: elementwise.identity,
  Shape: array.shape,
  Size: array.size,
  Reshape: array.reshape,
  Transpose: array.transpose,
  Squeeze: array.squeeze,
  ExpandDims: array.expandDims,
  Pad: array.pad,
  Slice: array.slice,
  ConcatV2: array.concat,
  Split: array.split,
  BroadcastTo: array.broadcastTo,
  Cast: array.cast,
  ZerosLike: array.zerosLike,
  OnesLike: array.onesLike,
  ArgMax: array.argMax,
  OneHot: array.oneHot,
  AddV2: elementwise.add,
  Sub: elementwise.sub,
  Mul: elementwise.mul,
  RealDiv: elementwise.realDiv,
  Maximum: elementwise.maximum,
  Minimum: elementwise.minimum,
  SquaredDifference: elementwise.squaredDifference,
  Neg: elementwise.neg,
  Exp: elementwise.exp,
  Log: elementwise.log,
  Square: elementwise.square,
  Sqrt: elementwise.sqrt,
  Rsqrt: elementwise.rsqrt,
  Tanh: elementwise.tanh,
  Sigmoid: elementwise.sigmoid,
  Abs: elementwise.abs,
  Floor: elementwise.floor,
  AddN: elementwise.addN,
  Equal: elementwise.equal,
  Greater: elementwise.greater,
  GreaterEqual: elementwise.greaterEqual,
  Less: elementwise.less,
  Select: elementwise.select,
  ClipByValue: elementwise.clipByValue,
  Relu: elementwise.relu,
  ReluGrad: fused.reluGrad,
  MatMul: math.matMul,
  Sum: math.sum,
  Mean: math.mean,
  Max: math.max,
  L2Loss: math.l2Loss,
  BiasAdd: fused.biasAdd,
  BiasAddGrad: nn.biasAddGrad,
  Softmax: nn.softmax,
  LogSoftmax: nn.logSoftmax,
  SparseSoftmaxCrossEntropyWithLogits: nn.sparseSoftmaxCrossEntropy,
  LRN: lrn.lrn,
  LRNGrad: lrn.lrnGrad,
  Conv2D: conv.conv2D,
  Conv2DBackpropInput: conv.conv2DBackpropInput,
  Conv2DBackpropFilter: conv.conv2DBackpropFilter,
  MaxPool: pool.maxPool,
  MaxPoolGrad: pool.maxPoolGrad,
  AvgPool: pool.avgPool,
  AvgPoolGrad: pool.avgPoolGrad,
  FusedBatchNormV3: norm.fusedBatchNorm,
  FusedBatchNormGradV3: norm.fusedBatchNormGrad,
  AllReduce: { refused: 'it is abstract: the pass rewrite-all-reduce expands it' },
} satisfies Record<RegionOp, Emitter | Refusal>;

const table: ReadonlyMap<string, Emitter | Refusal> = new Map(Object.entries(emitters));

export function emitterOf(op: string): Emitter | Refusal | undefined {
  return table.get(op);
}
