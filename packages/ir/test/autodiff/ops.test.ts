import { describe, expect, test } from 'vitest';
import type { GraphEditor } from '../../src/editor.js';
import type { TensorRef } from '../../src/graph.js';
import type { AttrInput } from '../../src/op.js';
import { addInput } from '../ops/support.js';
import { differentiated, forward, opCounts } from './support.js';

// That the gradients are right is checked against differences elsewhere, with an interpreter; here stand their types,
// and which ops they are made of where that is a promise.

/** Differentiates the sum of an op's output. */
function ofOp(
  op: string,
  types: readonly string[],
  attrs: AttrInput = {},
): ReturnType<typeof differentiated> {
  return differentiated(types, (editor, xs) => {
    const y = forward(editor, op, xs, attrs);
    return forward(editor, 'Sum', [y], { axis: editor.type(y).shape.map((_, i) => i) }, 'total');
  });
}

describe('gradients are of the type of what they are by', () => {
  const IMAGE = { strides: [1, 2, 2, 1], padding: 'SAME' };
  test.each<[string, string[], AttrInput?]>([
    ['MatMul', ['float32[?, 3]', 'float32[3, 4]']],
    ['MatMul', ['float64[3, ?]', 'float64[4, 3]'], { transpose_a: true, transpose_b: true }],
    ['AddV2', ['float32[?, 3]', 'float32[3]']],
    ['Mul', ['float32[?, 1, 3]', 'float32[2, 1]']],
    ['RealDiv', ['float16[]', 'float16[?, 2]']],
    ['SquaredDifference', ['float32[?]', 'float32[?]']],
    ['Maximum', ['float32[2, 1]', 'float32[1, 3]']],
    ['Conv2D', ['float32[?, 9, 8, 3]', 'float32[3, 3, 3, 5]'], IMAGE],
    ['Conv2D', ['float32[?, ?, ?, 3]', 'float32[3, 3, 3, 5]'], IMAGE],
    ['MaxPool', ['float32[?, 9, 8, 3]'], { ...IMAGE, ksize: [1, 2, 2, 1] }],
    ['AvgPool', ['float32[?, 9, 8, 3]'], { ...IMAGE, ksize: [1, 2, 2, 1] }],
    ['BiasAdd', ['float32[?, 3, 8, 8]', 'float32[3]'], { data_format: 'NCHW' }],
    ['Mean', ['bfloat16[?, 4]'], { axis: [0] }],
    ['Max', ['float32[?, 4, 5]'], { axis: [1] }],
    ['Softmax', ['float32[?, 4]']],
    ['LogSoftmax', ['float32[?, 4]']],
    ['Transpose', ['float32[?, 4, 5]'], { perm: [2, 0, 1] }],
    ['Squeeze', ['float32[?, 1, 5]'], { axis: [1] }],
    ['ExpandDims', ['float32[?, 5]'], { axis: -1 }],
    ['Pad', ['float32[?, 5]'], { paddings: [0, 0, 1, 2] }],
    ['Slice', ['float32[?, 5]'], { begin: [1, 1], size: [2, 3] }],
    ['Split', ['float32[?, 6]'], { axis: 1, num_split: 3 }],
    ['ConcatV2', ['float32[?, 6]', 'float32[?, 2]', 'float32[?, 1]'], { axis: 1 }],
    ['ClipByValue', ['float32[?]', 'float32[]', 'float32[]']],
    ['Cast', ['float16[?]'], { DstT: 'float32' }],
    ['Transfer', ['float32[?]']],
  ])('%s of %j', (op, types, attrs) => {
    expect(ofOp(op, types, attrs).gradTypes).toEqual(types);
  });

  test('FusedBatchNormV3 in training gives none by the moments it does not read', () => {
    const c = 'float32[3]';
    const image = 'float16[?, 4, 5, 3]';
    expect(ofOp('FusedBatchNormV3', [image, c, c, c, c]).gradTypes).toEqual([image, c, c, null, null]);
    expect(ofOp('FusedBatchNormV3', [image, c, c, c, c], { is_training: false }).gradTypes).toEqual([
      image,
      c,
      c,
      c,
      c,
    ]);
  });

  test('the cross entropy takes the gradient that it has computed itself', () => {
    const { added, gradTypes } = ofOp('SparseSoftmaxCrossEntropyWithLogits', ['float32[?, 10]', 'int32[?]']);
    expect(gradTypes).toEqual(['float32[?, 10]', null]);
    expect(opCounts(added)).toEqual({ BroadcastTo: 1, ExpandDims: 1, Mul: 1, Shape: 1 });
  });
});

describe('sums over what was broadcast', () => {
  test.each<[x: string, y: string, byX: Record<string, number>]>([
    ['float32[2, 3]', 'float32[2, 3]', {}],
    ['float32[?, 3]', 'float32[?, 3]', {}],
    ['float32[3]', 'float32[?, 3]', { Sum: 1 }],
    ['float32[]', 'float32[?, 3]', { Sum: 1 }],
    ['float32[1, 3]', 'float32[?, 3]', { Sum: 1 }],
    ['float32[3, 1]', 'float32[2, 3, 4]', { Squeeze: 1, Sum: 1 }],
    ['float32[1]', 'float32[1]', {}],
  ])('%s against %s', (x, y, byX) => {
    const { added, gradTypes } = differentiated([x], (editor, [ref]) =>
      forward(editor, 'AddV2', [ref as TensorRef, addInput(editor, y, 'other')]),
    );
    const { OnesLike: _, ...counts } = opCounts(added);
    expect(counts).toEqual(byX);
    expect(gradTypes).toEqual([x]);
  });
});

describe('shapes', () => {
  const reshape = (type: string) =>
    differentiated([type], (editor, [x]) => {
      const to = addInput(editor, [-1, 4], 'shape');
      return forward(editor, 'Reshape', [x as TensorRef, to]);
    });

  test('are constants where they are known', () => {
    expect(opCounts(reshape('float32[2, 2, 2]').added)).toEqual({ OnesLike: 1, Reshape: 1 });
  });

  test('are asked for in the graph where they are not', () => {
    expect(opCounts(reshape('float32[?, 2, 2]').added)).toEqual({ OnesLike: 1, Reshape: 1, Shape: 1 });
  });

  test.each<[string, string[], AttrInput]>([
    ['Pad', ['float32[?]'], { paddings: [0, 1] }],
    ['ConcatV2', ['float32[?]', 'float32[2]'], { axis: 0 }],
  ])('%s needs to know more than that a dimension is unknown', (op, types, attrs) => {
    expect(() => ofOp(op, types, attrs)).toThrow(
      expect.objectContaining({ code: 'PW_GRADIENT_SHAPE', where: { node: op } }),
    );
  });
});

describe('means', () => {
  const meanOps = (type: string, axis: readonly number[]): Record<string, number> =>
    opCounts(
      differentiated([type], (editor: GraphEditor, [x]) =>
        forward(editor, 'Mean', [x as TensorRef], { axis }),
      ).added,
    );

  test('over known dimensions divide by a constant', () => {
    expect(meanOps('float32[?, 4, 5]', [1, 2])).toEqual({
      BroadcastTo: 1,
      ExpandDims: 2,
      OnesLike: 1,
      RealDiv: 1,
      Shape: 1,
    });
  });

  test('over an unknown batch divide by the size', () => {
    expect(meanOps('float32[?]', [0])).toEqual({ BroadcastTo: 1, Cast: 1, RealDiv: 1, Shape: 1, Size: 1 });
  });

  test('in half precision count in float32', () => {
    const { added } = differentiated(['float16[?]'], (editor, [x]) =>
      forward(editor, 'Mean', [x as TensorRef], { axis: [0] }),
    );
    expect(added.filter(({ op }) => op === 'Cast').map(({ outputs }) => outputs[0]?.dtype)).toEqual([
      'float32',
      'float16',
    ]);
  });
});
