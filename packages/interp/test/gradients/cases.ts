import type { AttrInput, TensorValue } from '@placewright/ir';
import { bool, i32 } from '../support.js';

/** A float64 input to differentiate by: its shape, the range of its values, and whether its first dimension is the batch. */
export interface Variable {
  readonly shape: readonly number[];
  readonly range?: readonly [lo: number, hi: number];
  readonly batch?: boolean;
}

export interface GradientCase {
  readonly inputs: readonly (Variable | TensorValue)[];
  readonly attrs?: AttrInput;
  /** Outputs that the test's loss is made of; all float ones when left out. */
  readonly outputs?: readonly number[];
  /** Inputs by which no gradient may be given. */
  readonly without?: readonly number[];
  /** Whether the case is for known shapes alone: the gradient needs a dimension that a batch hides. */
  readonly staticOnly?: boolean;
}

const POSITIVE = [0.5, 2] as const;
const v = (...shape: number[]): Variable => ({ shape });
/** With the batch as its first dimension. */
const b = (...shape: number[]): Variable => ({ shape, batch: true });
const positive = (variable: Variable): Variable => ({ ...variable, range: POSITIVE });

const unary = (...inputs: Variable[]): GradientCase[] => inputs.map((input) => ({ inputs: [input] }));

const BROADCASTS: readonly (readonly [Variable, Variable])[] = [
  [b(2, 3), b(2, 3)],
  [b(2, 3), v(3)],
  [v(3), b(2, 3)],
  [b(2, 3), v()],
  [v(), b(2, 3)],
  [b(2, 3), v(1, 3)],
  [b(2, 3), b(2, 1)],
  [v(1, 3), b(2, 1)],
  [v(3, 1), v(2, 1, 4)],
];
const binary: GradientCase[] = BROADCASTS.map((inputs) => ({ inputs }));

const FORMATS = ['NHWC', 'NCHW'] as const;

/** Four numbers in the order of the format. */
function four(format: string, [n, h, w, c]: readonly [number, number, number, number]): number[] {
  return format === 'NHWC' ? [n, h, w, c] : [n, c, h, w];
}

interface ConvShape {
  readonly input: readonly [number, number, number, number];
  readonly filter: readonly [number, number, number, number];
  readonly output: readonly [number, number, number, number];
  readonly stride: readonly [number, number];
  readonly dilation?: readonly [number, number];
  readonly padding: string;
}

const CONVS: readonly ConvShape[] = [
  { input: [2, 4, 3, 2], filter: [3, 3, 2, 2], output: [2, 4, 3, 2], stride: [1, 1], padding: 'SAME' },
  { input: [1, 5, 4, 2], filter: [2, 3, 2, 1], output: [1, 4, 2, 1], stride: [1, 1], padding: 'VALID' },
  { input: [1, 5, 4, 1], filter: [3, 2, 1, 2], output: [1, 3, 2, 2], stride: [2, 2], padding: 'SAME' },
  { input: [1, 6, 5, 1], filter: [3, 2, 1, 2], output: [1, 2, 2, 2], stride: [2, 3], padding: 'VALID' },
  {
    input: [1, 5, 5, 1],
    filter: [3, 2, 1, 2],
    output: [1, 5, 5, 2],
    stride: [1, 1],
    dilation: [2, 3],
    padding: 'SAME',
  },
  {
    input: [1, 5, 6, 1],
    filter: [2, 2, 1, 2],
    output: [1, 3, 3, 2],
    stride: [1, 1],
    dilation: [2, 3],
    padding: 'VALID',
  },
  { input: [1, 4, 4, 2], filter: [1, 1, 2, 2], output: [1, 2, 2, 2], stride: [2, 2], padding: 'SAME' },
  // Long kernels, beyond the image too, and strides beyond the kernel.
  { input: [1, 2, 8, 1], filter: [1, 7, 1, 2], output: [1, 2, 8, 2], stride: [1, 1], padding: 'SAME' },
  { input: [1, 3, 2, 2], filter: [7, 1, 2, 1], output: [1, 3, 2, 1], stride: [1, 1], padding: 'SAME' },
  { input: [1, 7, 7, 1], filter: [3, 3, 1, 2], output: [1, 3, 3, 2], stride: [2, 2], padding: 'VALID' },
  { input: [1, 9, 8, 1], filter: [2, 3, 1, 1], output: [1, 2, 2, 1], stride: [4, 4], padding: 'VALID' },
];

function convCases(
  inputsOf: (x: Variable, filter: Variable, y: Variable) => readonly (Variable | TensorValue)[],
  without: readonly number[] = [],
): GradientCase[] {
  return FORMATS.flatMap((format) =>
    CONVS.map(({ input, filter, output, stride, dilation = [1, 1], padding }) => ({
      inputs: inputsOf(b(...four(format, input)), v(...filter), b(...four(format, output))),
      attrs: {
        strides: four(format, [1, ...stride, 1]),
        dilations: four(format, [1, ...dilation, 1]),
        padding,
        data_format: format,
      },
      without,
    })),
  );
}

interface PoolShape {
  readonly input: readonly [number, number, number, number];
  readonly output: readonly [number, number, number, number];
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: string;
}

const POOLS: readonly PoolShape[] = [
  { input: [2, 4, 4, 2], output: [2, 2, 2, 2], kernel: [2, 2], stride: [2, 2], padding: 'SAME' },
  { input: [1, 5, 4, 2], output: [1, 3, 2, 2], kernel: [3, 3], stride: [2, 2], padding: 'SAME' },
  { input: [1, 5, 4, 2], output: [1, 2, 3, 2], kernel: [3, 2], stride: [2, 1], padding: 'VALID' },
  { input: [1, 3, 3, 1], output: [1, 3, 3, 1], kernel: [2, 2], stride: [1, 1], padding: 'SAME' },
  { input: [1, 7, 6, 1], output: [1, 3, 2, 1], kernel: [3, 3], stride: [2, 2], padding: 'VALID' },
  { input: [1, 4, 3, 2], output: [1, 2, 2, 2], kernel: [1, 1], stride: [2, 2], padding: 'SAME' },
];

function poolCases(
  inputsOf: (x: Variable, y: Variable) => readonly (Variable | TensorValue)[],
): GradientCase[] {
  return FORMATS.flatMap((format) =>
    POOLS.map(({ input, output, kernel, stride, padding }) => ({
      inputs: inputsOf(b(...four(format, input)), b(...four(format, output))),
      attrs: {
        ksize: four(format, [1, ...kernel, 1]),
        strides: four(format, [1, ...stride, 1]),
        padding,
        data_format: format,
      },
    })),
  );
}

const sizes = (variable: Variable): TensorValue => i32([variable.shape.length], variable.shape);

const REDUCTIONS: readonly (readonly number[])[] = [[], [0], [1], [2], [0, 2], [1, 2], [0, 1, 2]];
const reductions: GradientCase[] = REDUCTIONS.flatMap((axis) =>
  [false, true].map((keep_dims) => ({ inputs: [b(2, 3, 2)], attrs: { axis, keep_dims } })),
);

function normCases(): GradientCase[] {
  const scales = [{ ...v(3), range: POSITIVE }, v(3), v(3), { ...v(3), range: POSITIVE }];
  return FORMATS.flatMap((format) => {
    const x = b(...four(format, [2, 2, 3, 3]));
    const attrs = { epsilon: 0.01, data_format: format };
    const training = [[0], [1], [2], [3], [4], [0, 1, 2, 3, 4]].map((outputs) => ({
      inputs: [x, ...scales],
      attrs: { ...attrs, is_training: true },
      outputs,
      // Scale and offset matter to y alone, the given moments to nothing.
      without: outputs.includes(0) ? [3, 4] : [1, 2, 3, 4],
    }));
    const inference = [[0], [0, 1, 2, 3, 4]].map((outputs) => ({
      inputs: [x, ...scales],
      attrs: { ...attrs, is_training: false },
      outputs,
    }));
    return [...training, ...inference];
  });
}

/** Cases for each op that has a gradient. */
export const CASES: Readonly<Record<string, readonly GradientCase[]>> = {
  Identity: unary(b(2, 3)),
  Transfer: unary(b(2, 3)),
  Cast: [{ inputs: [b(2, 3)], attrs: { DstT: 'float64' } }],
  Reshape: [
    { inputs: [b(2, 3), i32([2], [-1, 2])] },
    { inputs: [v(4), i32([3], [2, 1, 2])] },
    { inputs: [v(1, 1), i32([0], [])] },
  ],
  Transpose: [
    { inputs: [b(2, 3)], attrs: { perm: [1, 0] } },
    { inputs: [b(2, 3, 4)], attrs: { perm: [1, 2, 0] } },
    { inputs: [b(2, 2, 3, 2)], attrs: { perm: [0, 3, 1, 2] } },
  ],
  Squeeze: [
    { inputs: [b(2, 1, 3)], attrs: { axis: [1] } },
    { inputs: [v(1, 2, 1)], attrs: { axis: [0, 2] } },
    { inputs: [v(1, 2, 1)], attrs: { axis: [-1] } },
  ],
  ExpandDims: [0, 1, 2, -1, -3].map((axis) => ({ inputs: [b(2, 3)], attrs: { axis } })),
  Pad: [
    { inputs: [b(2, 3)], attrs: { paddings: [0, 0, 1, 2] } },
    { inputs: [b(2, 3)], attrs: { paddings: [1, 0, 0, 2] } },
    { inputs: [b(2, 3)], attrs: { paddings: [1, 2, 0, 0] }, staticOnly: true },
  ],
  Slice: [
    { inputs: [b(4, 3)], attrs: { begin: [1, 0], size: [2, 3] } },
    { inputs: [b(4, 3)], attrs: { begin: [1, 1], size: [-1, 1] } },
    { inputs: [b(4, 3)], attrs: { begin: [0, 0], size: [-1, -1] } },
    { inputs: [b(3, 4, 2)], attrs: { begin: [0, 1, 0], size: [2, 2, -1] } },
  ],
  ConcatV2: [
    { inputs: [b(2, 3), b(2, 1)], attrs: { axis: 1 } },
    { inputs: [b(2, 3), b(2, 2), b(2, 1)], attrs: { axis: -1 } },
    { inputs: [b(2, 2), b(2, 2)], attrs: { axis: 1 } },
    { inputs: [v(1, 2), b(3, 2)], attrs: { axis: 0 } },
    { inputs: [b(3, 2), v(1, 2)], attrs: { axis: 0 }, staticOnly: true },
    { inputs: [b(3, 2)], attrs: { axis: 0 } },
  ],
  Split: [
    { inputs: [b(2, 6)], attrs: { axis: 1, num_split: 3 } },
    { inputs: [b(4, 2)], attrs: { axis: 0, num_split: 2 } },
    { inputs: [b(2, 6)], attrs: { axis: -1, num_split: 3 }, outputs: [1] },
  ],
  BroadcastTo: [
    { inputs: [v(3), i32([2], [2, 3])] },
    { inputs: [v(1, 3), i32([3], [2, 2, 3])] },
    { inputs: [v(), i32([2], [2, 2])] },
    { inputs: [b(2, 3), i32([2], [2, 3])] },
  ],
  AddV2: binary,
  Sub: binary,
  Mul: binary,
  Maximum: binary,
  Minimum: binary,
  SquaredDifference: binary,
  RealDiv: binary.map(({ inputs }) => ({ inputs: [inputs[0] as Variable, positive(inputs[1] as Variable)] })),
  Neg: unary(b(2, 3)),
  Exp: unary(b(2, 3)),
  Log: unary(positive(b(2, 3))),
  Square: unary(b(2, 3)),
  Sqrt: unary(positive(b(2, 3))),
  Rsqrt: unary(positive(b(2, 3))),
  Tanh: unary(b(2, 3)),
  Sigmoid: unary(b(2, 3)),
  Abs: unary(b(2, 3)),
  AddN: [{ inputs: [b(2, 3)] }, { inputs: [b(2, 3), b(2, 3), b(2, 3)] }],
  MatMul: [false, true].flatMap((transpose_a) =>
    [false, true].map((transpose_b) => ({
      inputs: [transpose_a ? v(3, 2) : b(2, 3), transpose_b ? v(4, 3) : v(3, 4)],
      attrs: { transpose_a, transpose_b },
    })),
  ),
  Sum: reductions,
  Mean: reductions,
  Max: reductions,
  L2Loss: unary(b(2, 3)),
  Select: [
    { inputs: [bool([2, 3], [1, 0, 0, 1, 1, 0]), b(2, 3), b(2, 3)] },
    { inputs: [bool([2, 1], [1, 0]), v(3), v()] },
    { inputs: [bool([], [1]), b(2, 3), v(1, 3)] },
  ],
  ClipByValue: [{ inputs: [b(3, 4), { ...v(), range: [-0.5, -0.4] }, { ...v(), range: [0.4, 0.5] }] }],
  BiasAdd: [
    { inputs: [b(2, 3), v(3)] },
    { inputs: [b(2, 3, 2, 4), v(4)] },
    { inputs: [b(2, 3, 2, 4), v(3)], attrs: { data_format: 'NCHW' } },
    { inputs: [b(2, 3), v(3)], attrs: { data_format: 'NCHW' } },
  ],
  BiasAddGrad: [
    { inputs: [b(2, 3)] },
    { inputs: [b(2, 3, 2, 4)] },
    { inputs: [b(2, 3, 2, 4)], attrs: { data_format: 'NCHW' } },
  ],
  Relu: unary(b(3, 4)),
  ReluGrad: [{ inputs: [b(3, 4), b(3, 4)], without: [1] }],
  LRN: [0, 1, 2, 7].flatMap((depth_radius) =>
    [
      { bias: 1, alpha: 1, beta: 0.5 },
      { bias: 2, alpha: 0.3, beta: 0.75 },
    ].map((rest) => ({ inputs: [b(2, 2, 1, 5)], attrs: { depth_radius, ...rest } })),
  ),
  Softmax: unary(b(2, 3), v(4), b(2, 2, 3)),
  LogSoftmax: unary(b(2, 3), v(4), b(2, 2, 3)),
  SparseSoftmaxCrossEntropyWithLogits: [[0], [1], [0, 1]].map((outputs) => ({
    inputs: [b(3, 4), i32([3], [1, 3, 0])],
    outputs,
  })),
  Conv2D: convCases((x, filter) => [x, filter]),
  Conv2DBackpropInput: convCases((x, filter, y) => [sizes(x), filter, y]),
  Conv2DBackpropFilter: convCases((x, filter, y) => [x, sizes(filter), y]),
  MaxPool: poolCases((x) => [x]),
  AvgPool: poolCases((x) => [x]),
  AvgPoolGrad: poolCases((x, y) => [sizes(x), y]),
  FusedBatchNormV3: normCases(),
};
