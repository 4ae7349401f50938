import { describe } from 'vitest';
import { inferenceTable } from './table.js';

const BINARY = ['AddV2', 'Sub', 'Mul', 'RealDiv', 'Maximum', 'Minimum', 'SquaredDifference'];
const COMPARISONS = ['Equal', 'Greater', 'GreaterEqual', 'Less'];
const UNARY = ['Neg', 'Exp', 'Log', 'Square', 'Sqrt', 'Rsqrt', 'Tanh', 'Sigmoid', 'Abs', 'Floor'];

describe.each(BINARY)('%s', (op) => {
  inferenceTable([
    [op, ['float32[2, 1, 4]', 'float32[3, 1]'], {}, ['float32[2, 3, 4]']],
    [op, ['float64[]', 'float64[?]'], {}, ['float64[?]']],
    [op, ['float32[?, 4]', 'float32[8, 1]'], {}, ['float32[8, 4]']],
    [op, ['float32[2]', 'float32[3]'], {}, /do not broadcast/],
    [op, ['float32[2]', 'float64[2]'], {}, /the others are float32/],
    [op, ['bool[2]', 'bool[2]'], {}, /must be float32/],
    [op, ['float32[2]'], {}, /takes 2 inputs \(x, y\), not 1/],
  ]);
});

describe.each(COMPARISONS)('%s', (op) => {
  inferenceTable([
    [op, ['int32[2, 1]', 'int32[?]'], {}, ['bool[2, ?]']],
    [op, ['int32[2]', 'int32[3]'], {}, /do not broadcast/],
    [op, ['string[2]', 'string[2]'], {}, /must be/],
  ]);
});

describe.each(UNARY)('%s', (op) => {
  inferenceTable([
    [op, ['float16[?, 2]'], {}, ['float16[?, 2]']],
    [op, ['int32[2]'], {}, /must be float32/],
  ]);
});

describe.each(['Sum', 'Mean', 'Max'])('%s', (op) => {
  inferenceTable([
    [op, ['float32[?, 3, 4]'], { axis: [0, 2] }, ['float32[3]']],
    [op, ['float32[?, 3, 4]'], { axis: [0, 2], keep_dims: true }, ['float32[1, 3, 1]']],
    [op, ['int64[?, 3]'], { axis: [] }, ['int64[?, 3]']],
    [op, ['float32[2, 3]'], { axis: [1, 0] }, /rising order/],
    [op, ['float32[2, 3]'], { axis: [0, 0] }, /rising order/],
    [op, ['float32[2, 3]'], { axis: [-1] }, /rising order/],
    [op, ['float32[2, 3]'], { axis: [2] }, /dimensions of \[2, 3\]/],
    [op, ['bool[2, 3]'], { axis: [0] }, /must be/],
  ]);
});

describe('MatMul', () => {
  inferenceTable([
    ['MatMul', ['float32[?, 3]', 'float32[3, 4]'], {}, ['float32[?, 4]']],
    ['MatMul', ['float32[3, ?]', 'float32[3, 4]'], { transpose_a: true }, ['float32[?, 4]']],
    ['MatMul', ['float32[2, 3]', 'float32[4, 3]'], { transpose_b: true }, ['float32[2, 4]']],
    [
      'MatMul',
      ['float32[3, 2]', 'float32[4, 3]'],
      { transpose_a: true, transpose_b: true },
      ['float32[2, 4]'],
    ],
    ['MatMul', ['float32[2, ?]', 'float32[3, 4]'], {}, ['float32[2, 4]']],
    [
      'MatMul',
      ['float32[2, 3]', 'float32[4, 5]'],
      {},
      /inner dimensions of \[2, 3\] and \[4, 5\] are 3 and 4/,
    ],
    ['MatMul', ['float32[2, 3]', 'float32[3]'], {}, /b must have 2 dimensions/],
    ['MatMul', ['float32[1, 2, 3]', 'float32[3, 2]'], {}, /a must have 2 dimensions/],
    ['MatMul', ['int32[2, 3]', 'int32[3, 2]'], {}, /must be float32/],
    ['MatMul', ['float32[2, 3]', 'float32[3, 2]'], { transposeA: true }, /no attribute "transposeA"/],
  ]);
});

describe('others', () => {
  inferenceTable([
    ['AddN', ['float32[?, 2]', 'float32[3, ?]'], {}, ['float32[3, 2]']],
    ['AddN', ['float32[2]'], {}, ['float32[2]']],
    ['AddN', [], {}, /nothing to add/],
    ['AddN', ['float32[2]', 'float32[1]'], {}, /shapes of the inputs are \[2\] and \[1\]/],
    ['AddN', ['float32[2]', 'float64[2]'], {}, /the others are float32/],
    ['L2Loss', ['float64[?, 2]'], {}, ['float64[]']],
    ['L2Loss', ['int32[2]'], {}, /must be float32/],
    ['Select', ['bool[3, 1]', 'float32[2]', 'float32[]'], {}, ['float32[3, 2]']],
    ['Select', ['bool[3]', 'float32[2]', 'float32[]'], {}, /do not broadcast/],
    ['Select', ['float32[3]', 'float32[3]', 'float32[3]'], {}, /must be bool/],
    ['ClipByValue', ['float32[?]', 'float32[]', 'float32[]'], {}, ['float32[?]']],
    ['ClipByValue', ['float32[2]', 'float32[2]', 'float32[]'], {}, /clip_value_min must have 0 dimensions/],
    ['ClipByValue', ['float32[2]', 'float32[]', 'float32[1]'], {}, /clip_value_max must have 0 dimensions/],
    ['ClipByValue', ['int32[2]', 'int32[]', 'int32[]'], {}, /must be float32/],
  ]);
});
