import { describe, expect, test } from 'vitest';
import { formatType } from '../../src/shape.js';
import { addInput, addNode, build } from './support.js';
import { inferenceTable, type Row } from './table.js';

const CONV = { strides: [1, 1, 1, 1], padding: 'SAME' };
const NCHW = { data_format: 'NCHW' };

describe('Conv2D', () => {
  const conv = (x: string, w: string, attrs: Row[2], want: Row[3]): Row => [
    'Conv2D',
    [x, w],
    { ...CONV, ...attrs },
    want,
  ];
  inferenceTable([
    conv('float32[?, 28, 28, 1]', 'float32[5, 5, 1, 32]', {}, ['float32[?, 28, 28, 32]']),
    conv('float32[?, 28, 28, 1]', 'float32[5, 5, 1, 32]', { padding: 'VALID' }, ['float32[?, 24, 24, 32]']),
    conv('float32[2, 3, 9, 8]', 'float32[3, 2, 3, 4]', NCHW, ['float32[2, 4, 9, 8]']),
    conv('float32[2, 9, 8, 3]', 'float32[3, 3, 3, 4]', { strides: [1, 2, 3, 1] }, ['float32[2, 5, 3, 4]']),
    conv('float32[2, 3, 9, 8]', 'float32[3, 3, 3, 4]', { strides: [1, 1, 2, 3], padding: 'VALID', ...NCHW }, [
      'float32[2, 4, 4, 2]',
    ]),
    conv('float32[2, 9, 8, 3]', 'float32[3, 3, 3, 4]', { dilations: [1, 2, 1, 1], padding: 'VALID' }, [
      'float32[2, 5, 6, 4]',
    ]),
    conv('float32[?, ?, 8, ?]', 'float32[3, 3, 3, ?]', {}, ['float32[?, ?, 8, ?]']),
    conv('float32[1, 8, 8, 3]', 'float32[?, 3, 3, 2]', { padding: 'VALID' }, ['float32[1, ?, 6, 2]']),
    conv('float32[1, 8, 8, 3]', 'float32[?, 3, 3, 2]', {}, ['float32[1, 8, 8, 2]']),
    conv('float32[0, 8, 8, 3]', 'float32[3, 3, 3, 2]', {}, ['float32[0, 8, 8, 2]']),
    conv(
      'float32[8, 8, 3]',
      'float32[3, 3, 3, 2]',
      {},
      /input must have 4 dimensions \(NHWC\), but is \[8, 8, 3\]/,
    ),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 3]', {}, /filter must have 4 dimensions/),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 4, 2]', {}, /channels of the input .* are 3 and 4/),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 3, 2]', NCHW, /channels of the input .* are 8 and 3/),
    conv(
      'float32[1, 2, 8, 3]',
      'float32[3, 3, 3, 2]',
      { padding: 'VALID' },
      /window of 3 does not fit into the height of 2/,
    ),
    conv('float32[1, 8, 8, 3]', 'float32[0, 3, 3, 2]', {}, /no elements/),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 3, 2]', { strides: [1, 0, 1, 1] }, /must be 1 or more/),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 3, 2]', { strides: [1, -1, 1, 1] }, /must be 1 or more/),
    conv(
      'float32[1, 8, 8, 3]',
      'float32[3, 3, 3, 2]',
      { strides: [2, 1, 1, 1] },
      /must be 1 for batch and channels/,
    ),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 3, 2]', { strides: [1, 1] }, /must be four numbers/),
    conv(
      'float32[1, 8, 8, 3]',
      'float32[3, 3, 3, 2]',
      { dilations: [1, 0, 1, 1] },
      /dilations .* must be 1 or more/,
    ),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 3, 2]', { padding: 'EXPLICIT' }, /cannot be "EXPLICIT"/),
    conv('float32[1, 8, 8, 3]', 'float32[3, 3, 3, 2]', { data_format: 'CHWN' }, /cannot be "CHWN"/),
    conv('int32[1, 8, 8, 3]', 'int32[3, 3, 3, 2]', {}, /must be float32/),
  ]);
});

describe('gradients of Conv2D', () => {
  const strided = { strides: [1, 2, 2, 1], padding: 'SAME' };
  inferenceTable([
    [
      'Conv2DBackpropInput',
      [[4, 9, 8, 3], 'float32[3, 3, 3, 5]', 'float32[4, 5, 4, 5]'],
      strided,
      ['float32[4, 9, 8, 3]'],
    ],
    [
      'Conv2DBackpropInput',
      ['int32[4]', 'float32[3, 3, 3, 5]', 'float32[4, 5, 4, 5]'],
      strided,
      ['float32[4, ?, ?, 3]'],
    ],
    [
      'Conv2DBackpropInput',
      [[4, 9, 8, 3], 'float32[3, 3, 3, 5]', 'float32[4, 4, 4, 5]'],
      strided,
      /which differ/,
    ],
    [
      'Conv2DBackpropInput',
      [[4, 9, 8], 'float32[3, 3, 3, 5]', 'float32[4, 5, 4, 5]'],
      strided,
      /must hold 4 sizes, not 3/,
    ],
    [
      'Conv2DBackpropInput',
      [[4, 9, 8, 2], 'float32[3, 3, 3, 5]', 'float32[4, 5, 4, 5]'],
      strided,
      /channels .* are 2 and 3/,
    ],
    [
      'Conv2DBackpropFilter',
      ['float32[?, 9, 8, 3]', [3, 3, 3, 5], 'float32[?, 5, 4, 5]'],
      strided,
      ['float32[3, 3, 3, 5]'],
    ],
    [
      'Conv2DBackpropFilter',
      ['float32[?, 9, 8, 3]', 'int32[4]', 'float32[?, 5, 4, 5]'],
      strided,
      ['float32[?, ?, 3, 5]'],
    ],
    [
      'Conv2DBackpropFilter',
      ['float32[?, 9, 8, 3]', [3, 3, 3, 5], 'float32[?, 5, 4, 6]'],
      strided,
      /which differ/,
    ],
    [
      'Conv2DBackpropFilter',
      ['float32[?, 9, 8, 3]', 'int32[?, 4]', 'float32[?, 5, 4, 5]'],
      strided,
      /must have 1 dimension/,
    ],
  ]);

  test('sizes from Shape keep an unknown batch', () => {
    build((editor) => {
      const x = addInput(editor, 'float32[?, 9, 8, 3]');
      const sizes = { node: addNode(editor, 'Shape', [x]), port: 0 };
      const inputs = [
        sizes,
        addInput(editor, 'float32[3, 3, 3, 5]'),
        addInput(editor, 'float32[?, 5, 4, 5]'),
      ];
      const node = editor.node(addNode(editor, 'Conv2DBackpropInput', inputs, strided));
      expect(node.outputs.map(formatType)).toEqual(['float32[?, 9, 8, 3]']);
    });
  });
});

const POOL = { ksize: [1, 2, 2, 1], strides: [1, 2, 2, 1], padding: 'SAME' };

describe.each(['MaxPool', 'AvgPool'])('%s', (op) => {
  inferenceTable([
    [op, ['float32[?, 5, 6, 3]'], POOL, ['float32[?, 3, 3, 3]']],
    [op, ['float32[?, 5, 6, 3]'], { ...POOL, padding: 'VALID' }, ['float32[?, 2, 3, 3]']],
    [
      op,
      ['float32[?, 3, 5, 6]'],
      { ksize: [1, 1, 2, 2], strides: [1, 1, 2, 2], padding: 'SAME', ...NCHW },
      ['float32[?, 3, 3, 3]'],
    ],
    [op, ['float32[?, ?, 6, 3]'], POOL, ['float32[?, ?, 3, 3]']],
    [
      op,
      ['float32[1, 1, 6, 3]'],
      { ...POOL, padding: 'VALID' },
      /window of 2 does not fit into the height of 1/,
    ],
    [op, ['float32[1, 5, 6, 3]'], { ...POOL, ksize: [1, 2, 2, 3] }, /must be 1 for batch and channels/],
    [op, ['float32[1, 5, 6, 3]'], { ...POOL, ksize: [1, 0, 2, 1] }, /must be 1 or more/],
    [op, ['float32[1, 5, 6, 3]'], { ...POOL, strides: [1, 2, 0, 1] }, /must be 1 or more/],
    [op, ['float32[5, 6, 3]'], POOL, /must have 4 dimensions/],
    [op, ['uint8[1, 5, 6, 3]'], POOL, /must be float32/],
  ]);
});

describe('gradients of pooling', () => {
  const x = 'float32[?, 5, 6, 3]';
  const y = 'float32[?, 3, 3, 3]';
  inferenceTable([
    ['MaxPoolGrad', [x, y, y], POOL, [x]],
    ['MaxPoolGrad', [x, y, x], POOL, /pooling gives and grad are/],
    ['MaxPoolGrad', [x, x, y], POOL, /pooling gives and orig_output are/],
    ['AvgPoolGrad', [[2, 5, 6, 3], y], POOL, ['float32[2, 5, 6, 3]']],
    ['AvgPoolGrad', ['int32[4]', 'float32[2, 3, 3, 3]'], POOL, ['float32[2, ?, ?, 3]']],
    ['AvgPoolGrad', [[2, 5, 6, 3], x], POOL, /which differ/],
    ['AvgPoolGrad', [[2, 5, 6], y], POOL, /must hold 4 sizes, not 3/],
  ]);
});

describe('FusedBatchNormV3', () => {
  const c = 'float32[3]';
  const vectors = [c, c, c, c];
  inferenceTable([
    ['FusedBatchNormV3', ['float32[?, 4, 5, 3]', ...vectors], {}, ['float32[?, 4, 5, 3]', c, c, c, c]],
    ['FusedBatchNormV3', ['float32[?, 3, 4, 5]', ...vectors], NCHW, ['float32[?, 3, 4, 5]', c, c, c, c]],
    ['FusedBatchNormV3', ['float16[2, 4, 5, ?]', ...vectors], {}, ['float16[2, 4, 5, 3]', c, c, c, c]],
    [
      'FusedBatchNormV3',
      ['float32[2, 4, 5, 3]', c, c, 'float32[0]', 'float32[0]'],
      {},
      ['float32[2, 4, 5, 3]', c, c, c, c],
    ],
    [
      'FusedBatchNormV3',
      ['float32[2, 4, 5, 3]', c, c, 'float32[0]', c],
      { is_training: false },
      /length of mean are 3 and 0/,
    ],
    ['FusedBatchNormV3', ['float32[2, 4, 5, 4]', ...vectors], {}, /length of scale are 4 and 3/],
    ['FusedBatchNormV3', ['float32[2, 4, 5, 3]', c, 'float32[4]', c, c], {}, /length of offset are 3 and 4/],
    [
      'FusedBatchNormV3',
      ['float32[2, 4, 5, 3]', 'float32[3, 1]', c, c, c],
      {},
      /scale must have 1 dimension/,
    ],
    ['FusedBatchNormV3', ['float32[2, 3]', ...vectors], {}, /must have 4 dimensions/],
    ['FusedBatchNormV3', ['int32[2, 4, 5, 3]', ...vectors], {}, /must be float32/],
    [
      'FusedBatchNormGradV3',
      ['float32[?, 4, 5, 3]', 'float32[2, 4, 5, 3]', c, c, c],
      {},
      ['float32[2, 4, 5, 3]', c, c],
    ],
    ['FusedBatchNormGradV3', ['float32[2, 4, 5, 3]', 'float32[2, 5, 4, 3]', c, c, c], {}, /which differ/],
    [
      'FusedBatchNormGradV3',
      ['float32[2, 4, 5, 3]', 'float32[2, 4, 5, 3]', c, 'float32[2]', c],
      {},
      /reserve_space_1 are 3 and 2/,
    ],
  ]);
});
