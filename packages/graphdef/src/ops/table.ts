import type { BuiltinOp } from '@placewright/ir';
import { typeAttr } from '../attr.js';
import {
  axes,
  fixed,
  handle,
  input,
  kept,
  type OpRow,
  pairs,
  type Row,
  rest,
  row,
  scalar,
  T,
  typed,
  vector,
} from './row.js';

const unary: OpRow = row([input(0)], [T]);
const binary: OpRow = row([input(0), input(1)], [T]);
const reduction: OpRow = row(
  [input(0), axes('axis', 'reduction_indices')],
  [T, typed('Tidx', 'int32'), kept('keep_dims')],
);
const WINDOW = ['strides', 'padding', 'data_format', 'dilations'].map((name) => kept(name));
const POOL = ['ksize', 'strides', 'padding', 'data_format'].map((name) => kept(name));
const NORM = ['epsilon', 'data_format', 'is_training'].map((name) => kept(name));
const LRN = ['depth_radius', 'bias', 'alpha', 'beta'].map((name) => kept(name));

const arrayRows = {
  Const: row([], [typed('dtype', { output: 0 }), kept('value')]),
  Placeholder: row([], [kept('dtype'), kept('shape')]),
  Identity: unary,
  StopGradient: unary,
  NoOp: row([], []),
  Shape: row([input(0)], [T, fixed('out_type', typeAttr('int32'))]),
  Size: row([input(0)], [T, fixed('out_type', typeAttr('int32'))]),
  Cast: row([input(0)], [typed('SrcT', { input: 0 }), kept('DstT')]),
  ZerosLike: unary,
  OnesLike: unary,
  Fill: row(
    [vector('shape', 'dims'), scalar('value', 'value', { attr: 'dtype' })],
    [typed('T', { attr: 'dtype' }), typed('index_type', 'int32')],
  ),
  ArgMax: row(
    [input(0), scalar('axis', 'dimension')],
    [T, typed('Tidx', 'int32'), fixed('output_type', typeAttr('int64'))],
  ),
  OneHot: row(
    [
      input(0),
      scalar('depth', 'depth'),
      scalar('on_value', 'on_value', { attr: 'dtype' }),
      scalar('off_value', 'off_value', { attr: 'dtype' }),
    ],
    [typed('TI', { input: 0 }), typed('T', { attr: 'dtype' }), fixed('axis', { case: 'i', value: -1n })],
  ),
} satisfies Partial<Record<BuiltinOp, Row>>;

const layoutRows = {
  Reshape: row([input(0), input(1)], [T, typed('Tshape', 'int32')]),
  Transpose: row([input(0), vector('perm')], [T, typed('Tperm', 'int32')]),
  Squeeze: row([input(0)], [T, kept('axis', 'squeeze_dims')]),
  ExpandDims: row([input(0), scalar('axis', 'dim')], [T, typed('Tdim', 'int32')]),
  Pad: row([input(0), pairs('paddings')], [T, typed('Tpaddings', 'int32')]),
  Slice: row([input(0), vector('begin'), vector('size')], [T, typed('Index', 'int32')]),
  ConcatV2: row([rest(0), scalar('axis', 'axis')], [{ kind: 'count', name: 'N' }, T, typed('Tidx', 'int32')]),
  Split: row([scalar('axis', 'split_dim'), input(0)], [T, kept('num_split')]),
  BroadcastTo: row([input(0), input(1)], [T, typed('Tidx', 'int32')]),
} satisfies Partial<Record<BuiltinOp, Row>>;

const mathRows = {
  AddV2: binary,
  Sub: binary,
  Mul: binary,
  RealDiv: binary,
  Maximum: binary,
  Minimum: binary,
  SquaredDifference: binary,
  Equal: binary,
  Greater: binary,
  GreaterEqual: binary,
  Less: binary,
  Neg: unary,
  Exp: unary,
  Log: unary,
  Square: unary,
  Sqrt: unary,
  Rsqrt: unary,
  Tanh: unary,
  Sigmoid: unary,
  Abs: unary,
  Floor: unary,
  AddN: row([rest(0)], [{ kind: 'count', name: 'N' }, T]),
  MatMul: row([input(0), input(1)], [T, kept('transpose_a'), kept('transpose_b')]),
  Sum: reduction,
  Mean: reduction,
  Max: reduction,
  L2Loss: unary,
  Select: row([input(0), input(1), input(2)], [typed('T', { input: 1 })], 'SelectV2'),
  ClipByValue: row([input(0), input(1), input(2)], [T]),
} satisfies Partial<Record<BuiltinOp, Row>>;

const nnRows = {
  BiasAdd: row([input(0), input(1)], [T, kept('data_format')]),
  BiasAddGrad: row([input(0)], [T, kept('data_format')]),
  Relu: unary,
  ReluGrad: binary,
  LRN: row([input(0)], [T, ...LRN]),
  LRNGrad: row([input(0), input(1), input(2)], [T, ...LRN]),
  Softmax: unary,
  LogSoftmax: unary,
  SparseSoftmaxCrossEntropyWithLogits: row([input(0), input(1)], [T, typed('Tlabels', { input: 1 })]),
  Conv2D: row([input(0), input(1)], [T, ...WINDOW]),
  Conv2DBackpropInput: row([input(0), input(1), input(2)], [typed('T', { input: 1 }), ...WINDOW]),
  Conv2DBackpropFilter: row([input(0), input(1), input(2)], [T, ...WINDOW]),
  MaxPool: row([input(0)], [T, ...POOL]),
  MaxPoolGrad: row([input(0), input(1), input(2)], [T, ...POOL]),
  AvgPool: row([input(0)], [T, ...POOL]),
  AvgPoolGrad: row([input(0), input(1)], [typed('T', { input: 1 }), ...POOL]),
  // TensorFlow's has a sixth output, which our gradient finds by itself.
  FusedBatchNormV3: row(
    [input(0), input(1), input(2), input(3), input(4)],
    [T, typed('U', { input: 1 }), ...NORM],
  ),
  FusedBatchNormGradV3: row(
    [input(0), input(1), input(2), input(3), input(4), { kind: 'reserve', of: 3 }],
    [T, typed('U', { input: 3 }), ...NORM],
  ),
} satisfies Partial<Record<BuiltinOp, Row>>;

const RANDOM = 'words of Philox by StatelessRandomUniformFullIntV2, made into floats in float64';

const randomRows = {
  StatelessRandomUniform: { kind: 'expansion', how: RANDOM },
  StatelessRandomUniformV2: { kind: 'expansion', how: `${RANDOM}; the key is drawn from the seed first` },
  StatelessRandomNormal: { kind: 'expansion', how: `${RANDOM} in a StatelessWhile that runs once` },
  StatelessTruncatedNormal: {
    kind: 'expansion',
    how: `${RANDOM} in a StatelessWhile that runs until all are within two deviations`,
  },
} satisfies Partial<Record<BuiltinOp, Row>>;

const variableType = typed('dtype', { resource: 0 });
// An update of ours is one action: nobody reads half of it.
const LOCKED = fixed('use_locking', { case: 'b', value: true }, true);
const assignment = row([handle(0), input(0)], [variableType]);
const BUFFER = (['container', 'shared_name', 'capacity'] as const).map(
  (name) => ({ kind: 'buffer', name }) as const,
);
const types = (name: string) => ({ kind: 'types', name }) as const;

const stateRows = {
  ReadVariableOp: row([handle(0)], [variableType]),
  AssignVariableOp: assignment,
  AssignAddVariableOp: assignment,
  AssignSubVariableOp: assignment,
  ResourceApplyGradientDescent: row([handle(0), input(0), input(1)], [T, LOCKED]),
  ResourceApplyMomentum: row(
    [handle(0), handle(1), input(0), input(1), input(2)],
    [T, LOCKED, kept('use_nesterov')],
  ),
  ResourceApplyRMSProp: row(
    [handle(0), handle(1), handle(2), input(0), input(1), input(2), input(3), input(4)],
    [T, LOCKED],
  ),
  Stage: row([rest(0)], [types('dtypes'), ...BUFFER]),
  Unstage: row([], [types('dtypes'), ...BUFFER]),
  QueueEnqueueV2: row([handle(0), rest(0)], [types('Tcomponents')]),
  QueueDequeueV2: row([handle(0)], [types('component_types')]),
  QueueDequeueManyV2: row([handle(0), scalar('n', 'n')], [types('component_types')]),
} satisfies Partial<Record<BuiltinOp, Row>>;

const communicationRows = {
  // A copy is an Identity on its destination: TensorFlow sends the tensor there once, and the node shows where it is.
  Transfer: row([input(0)], [T], 'Identity'),
  AllReduce: {
    kind: 'refusal',
    why: 'it is abstract',
    hint: 'write the lowered module: rewrite-all-reduce expands it',
  },
  NcclAllReduce: row([input(0)], [T, kept('reduction'), kept('num_devices'), kept('shared_name')]),
  Barrier: {
    kind: 'refusal',
    why: 'it is abstract',
    hint: 'write the lowered module: expand-barriers makes queues of it',
  },
} satisfies Partial<Record<BuiltinOp, Row>>;

/**
 * Every built-in op as a GraphDef has it, in one place: what TensorFlow calls it, which of our attributes are inputs or
 * have other names there, and what its attributes follow from. Reading and writing go by this table. An op without a row
 * is a compile error.
 */
export const OP_ROWS = {
  ...arrayRows,
  ...layoutRows,
  ...mathRows,
  ...nnRows,
  ...randomRows,
  ...stateRows,
  ...communicationRows,
} satisfies Record<BuiltinOp, Row>;

const byOp: ReadonlyMap<string, Row> = new Map(Object.entries(OP_ROWS));

/** The row of one of our ops; undefined for those of users. */
export function rowOf(op: string): Row | undefined {
  return byOp.get(op);
}
