import { describe } from 'vitest';
import { inferenceTable } from './table.js';

describe('biases', () => {
  inferenceTable([
    ['BiasAdd', ['float32[?, 4, 4, 3]', 'float32[3]'], {}, ['float32[?, 4, 4, 3]']],
    ['BiasAdd', ['float32[?, 3, 4, 4]', 'float32[3]'], { data_format: 'NCHW' }, ['float32[?, 3, 4, 4]']],
    ['BiasAdd', ['float32[2, ?]', 'float32[3]'], {}, ['float32[2, 3]']],
    ['BiasAdd', ['float32[2, 3]', 'float32[3]'], { data_format: 'NCHW' }, ['float32[2, 3]']],
    ['BiasAdd', ['float32[2, 4]', 'float32[3]'], {}, /channels of \[2, 4\] and of bias are 4 and 3/],
    ['BiasAdd', ['float32[2, 3]', 'float32[3, 1]'], {}, /bias must have 1 dimension/],
    ['BiasAdd', ['float32[3]', 'float32[3]'], {}, /2 dimensions or more/],
    ['BiasAddGrad', ['float32[?, 4, 4, 3]'], {}, ['float32[3]']],
    ['BiasAddGrad', ['float32[?, 3, 4, 4]'], { data_format: 'NCHW' }, ['float32[3]']],
    ['BiasAddGrad', ['float32[3]'], {}, /2 dimensions or more/],
  ]);
});

describe('activations and losses', () => {
  inferenceTable([
    ['Relu', ['float32[?, 2]'], {}, ['float32[?, 2]']],
    ['Relu', ['int32[2]'], {}, /must be float32/],
    ['ReluGrad', ['float32[?, 2]', 'float32[3, ?]'], {}, ['float32[3, 2]']],
    ['ReluGrad', ['float32[2]', 'float32[3]'], {}, /gradients and features are \[2\] and \[3\]/],
    ['LRN', ['float32[?, 4, 4, 8]'], {}, ['float32[?, 4, 4, 8]']],
    ['LRN', ['float32[4, 4, 8]'], {}, /input must have 4 dimensions/],
    ['LRN', ['int32[1, 4, 4, 8]'], {}, /must be float32/],
    ['LRN', ['float32[1, 4, 4, 8]'], { depth_radius: -1 }, /depth_radius -1 is negative/],
    [
      'LRNGrad',
      ['float32[?, 4, ?, 8]', 'float32[2, 4, ?, 8]', 'float32[?, ?, 5, 8]'],
      {},
      ['float32[2, 4, 5, 8]'],
    ],
    ['LRNGrad', ['float32[1, 4, 4, 8]', 'float32[1, 4, 4, 8]', 'float32[1, 4, 4, 9]'], {}, /which differ/],
    ['LRNGrad', ['float32[1, 4, 4, 8]', 'float64[1, 4, 4, 8]', 'float32[1, 4, 4, 8]'], {}, /float64/],
    ['Softmax', ['float32[?, 2]'], {}, ['float32[?, 2]']],
    ['LogSoftmax', ['float32[2, 3, 4]'], {}, ['float32[2, 3, 4]']],
    ['Softmax', ['float32[]'], {}, /1 dimension or more/],
    ['LogSoftmax', ['float32[]'], {}, /1 dimension or more/],
    [
      'SparseSoftmaxCrossEntropyWithLogits',
      ['float32[?, 10]', 'int32[8]'],
      {},
      ['float32[8]', 'float32[8, 10]'],
    ],
    [
      'SparseSoftmaxCrossEntropyWithLogits',
      ['float64[?, 10]', 'int64[?]'],
      {},
      ['float64[?]', 'float64[?, 10]'],
    ],
    [
      'SparseSoftmaxCrossEntropyWithLogits',
      ['float32[4, 10]', 'int32[8]'],
      {},
      /examples of features and of labels are 4 and 8/,
    ],
    [
      'SparseSoftmaxCrossEntropyWithLogits',
      ['float32[4, 10]', 'int32[4, 1]'],
      {},
      /labels must have 1 dimension/,
    ],
    [
      'SparseSoftmaxCrossEntropyWithLogits',
      ['float32[4]', 'int32[4]'],
      {},
      /features must have 2 dimensions/,
    ],
    ['SparseSoftmaxCrossEntropyWithLogits', ['float32[4, 10]', 'uint8[4]'], {}, /must be int32 or int64/],
  ]);
});
