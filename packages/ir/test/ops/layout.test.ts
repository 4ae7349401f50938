import { describe, expect, test } from 'vitest';
import { formatType } from '../../src/shape.js';
import { addInput, addNode, build } from './support.js';
import { inferenceTable } from './table.js';

describe('Reshape', () => {
  inferenceTable([
    ['Reshape', ['float32[2, 6]', [3, 4]], {}, ['float32[3, 4]']],
    ['Reshape', ['float32[2, 6]', [-1, 4]], {}, ['float32[3, 4]']],
    ['Reshape', ['float32[?, 28, 28, 1]', [-1, 784]], {}, ['float32[?, 784]']],
    ['Reshape', ['float32[?]', [2, 2]], {}, ['float32[2, 2]']],
    ['Reshape', ['float32[1]', []], {}, ['float32[]']],
    ['Reshape', ['float32[0, 3]', [0]], {}, ['float32[0]']],
    ['Reshape', ['float32[0, 3]', [-1, 3]], {}, ['float32[0, 3]']],
    ['Reshape', ['float32[2, 6]', 'int32[3]'], {}, ['float32[?, ?, ?]']],
    ['Reshape', ['float32[2, 6]', [5, 2]], {}, /numbers of elements differ/],
    ['Reshape', ['float32[2, 6]', [5, -1]], {}, /numbers of elements differ/],
    ['Reshape', ['float32[?, 3]', [2, 2]], {}, /numbers of elements differ/],
    ['Reshape', ['float32[2, 6]', [0, -1]], {}, /numbers of elements differ/],
    ['Reshape', ['float32[2, 6]', [-1, -1]], {}, /has negative dimensions/],
    ['Reshape', ['float32[2, 6]', [-2, 6]], {}, /has negative dimensions/],
    ['Reshape', ['float32[2, 6]', 'int32[?]'], {}, /rank/],
    ['Reshape', ['float32[2, 6]', 'int32[1, 2]'], {}, /must have 1 dimension,/],
    ['Reshape', ['float32[2, 6]', 'float32[2]'], {}, /must be int32/],
  ]);

  test('takes the shape that Shape gives, unknown dimensions too', () => {
    build((editor) => {
      const like = addInput(editor, 'float32[?, 4]');
      const shape = { node: addNode(editor, 'Shape', [like]), port: 0 };
      const x = addInput(editor, 'float32[?, 2, 2]');
      const out = editor.node(addNode(editor, 'Reshape', [x, shape])).outputs;
      expect(out.map(formatType)).toEqual(['float32[?, 4]']);
    });
  });
});

describe('orders and single dimensions', () => {
  inferenceTable([
    ['Transpose', ['float32[2, ?, 4]'], { perm: [2, 0, 1] }, ['float32[4, 2, ?]']],
    ['Transpose', ['float32[]'], { perm: [] }, ['float32[]']],
    ['Transpose', ['float32[2, 3]'], { perm: [0] }, /no order of the 2 dimensions/],
    ['Transpose', ['float32[2, 3]'], { perm: [0, 0] }, /no order/],
    ['Transpose', ['float32[2, 3]'], { perm: [0, 2] }, /no order/],
    ['Squeeze', ['float32[1, 2, 1]'], { axis: [] }, ['float32[2]']],
    ['Squeeze', ['float32[1, 2, 1]'], { axis: [0, -1] }, ['float32[2]']],
    ['Squeeze', ['float32[?, 2]'], { axis: [0] }, ['float32[2]']],
    ['Squeeze', ['float32[?, 1]'], { axis: [] }, /not known/],
    ['Squeeze', ['float32[2, 1]'], { axis: [0] }, /is 2, not 1/],
    ['Squeeze', ['float32[2, 1]'], { axis: [2] }, /axis 2 is outside/],
    ['ExpandDims', ['float32[?, 2]'], { axis: 0 }, ['float32[1, ?, 2]']],
    ['ExpandDims', ['float32[?, 2]'], { axis: 2 }, ['float32[?, 2, 1]']],
    ['ExpandDims', ['float32[?, 2]'], { axis: -1 }, ['float32[?, 2, 1]']],
    ['ExpandDims', ['float32[?, 2]'], { axis: 3 }, /axis 3 is outside/],
    ['ExpandDims', ['float32[?, 2]'], { axis: -4 }, /axis -4 is outside/],
  ]);
});

describe('parts and joins', () => {
  inferenceTable([
    ['Pad', ['float32[2, ?]'], { paddings: [1, 2, 3, 4] }, ['float32[5, ?]']],
    ['Pad', ['float32[2]'], { paddings: [1] }, /1 numbers, but \[2\] needs 2/],
    ['Pad', ['float32[2]'], { paddings: [1, -1] }, /negative width/],
    ['Slice', ['float32[4, 5]'], { begin: [1, 2], size: [2, -1] }, ['float32[2, 3]']],
    ['Slice', ['float32[?, ?]'], { begin: [1, 2], size: [2, -1] }, ['float32[2, ?]']],
    ['Slice', ['float32[4]'], { begin: [4], size: [-1] }, ['float32[0]']],
    ['Slice', ['float32[4]'], { begin: [5], size: [-1] }, /go beyond dimension 0, which is 4/],
    ['Slice', ['float32[4]'], { begin: [2], size: [3] }, /go beyond/],
    ['Slice', ['float32[4]'], { begin: [-1], size: [1] }, /not be negative/],
    ['Slice', ['float32[4]'], { begin: [0], size: [-2] }, /not be negative/],
    ['Slice', ['float32[4]'], { begin: [0, 0], size: [1] }, /begin has 2 and size 1/],
    ['ConcatV2', ['float32[?, 2]', 'float32[3, 4]'], { axis: 1 }, ['float32[3, 6]']],
    ['ConcatV2', ['float32[?, 2]', 'float32[3, 2]'], { axis: 0 }, ['float32[?, 2]']],
    ['ConcatV2', ['float32[2]', 'float32[3]', 'float32[1]'], { axis: -1 }, ['float32[6]']],
    ['ConcatV2', ['float32[2]'], { axis: 0 }, ['float32[2]']],
    ['ConcatV2', [], { axis: 0 }, /nothing to join/],
    ['ConcatV2', ['float32[2, 3]', 'float32[3, 3]'], { axis: 1 }, /which differ/],
    ['ConcatV2', ['float32[2, 3]', 'float32[3]'], { axis: 1 }, /which differ/],
    ['ConcatV2', ['float32[]', 'float32[]'], { axis: 0 }, /axis 0 is outside/],
    ['ConcatV2', ['float32[2]', 'int32[2]'], { axis: 0 }, /the others are float32/],
    [
      'Split',
      ['float32[4, 6]'],
      { axis: 1, num_split: 3 },
      ['float32[4, 2]', 'float32[4, 2]', 'float32[4, 2]'],
    ],
    ['Split', ['float32[?]'], { axis: -1, num_split: 2 }, ['float32[?]', 'float32[?]']],
    ['Split', ['float32[5]'], { axis: 0, num_split: 2 }, /2 equal parts/],
    ['Split', ['float32[4]'], { axis: 0, num_split: 0 }, /num_split 0/],
    ['Split', ['float32[0]'], { axis: 0, num_split: 1e9 }, /num_split 1000000000/],
    ['BroadcastTo', ['float32[3, 1]', [2, 3, 4]], {}, ['float32[2, 3, 4]']],
    ['BroadcastTo', ['float32[]', [2, 3]], {}, ['float32[2, 3]']],
    ['BroadcastTo', ['float32[?]', 'int32[2]'], {}, ['float32[?, ?]']],
    ['BroadcastTo', ['float32[3]', 'int32[2]'], {}, ['float32[?, 3]']],
    ['BroadcastTo', ['float32[3]', [2, 4]], {}, /are 4 and 3, which differ/],
    ['BroadcastTo', ['float32[2, 3]', [3]], {}, /more dimensions/],
    ['BroadcastTo', ['float32[3]', [-1, 3]], {}, /negative dimension/],
    ['BroadcastTo', ['float32[]', [100000, 100000]], {}, /10000000000 elements/],
  ]);
});
