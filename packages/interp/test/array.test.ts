import { tensorOf } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { bool, errorOf, evaluate, f32, f64, i32, i64, numbersOf } from './support.js';

const matrix = f32([2, 3], [1, 2, 3, 4, 5, 6]);

describe('values that are given or passed on', () => {
  test('Const, Identity and StopGradient keep the value', () => {
    for (const op of ['Identity', 'StopGradient']) expect(evaluate(op, [matrix])).toEqual([matrix]);
    expect(evaluate('Const', [], { value: i64([2], [-1, 7]) })).toEqual([i64([2], [-1, 7])]);
  });

  test('Fill, ZerosLike and OnesLike', () => {
    expect(evaluate('Fill', [], { shape: [2, 2], value: 0.5, dtype: 'float32' })).toEqual([
      f32([2, 2], [0.5, 0.5, 0.5, 0.5]),
    ]);
    expect(evaluate('Fill', [], { shape: [], value: 3, dtype: 'int64' })).toEqual([i64([], [3])]);
    expect(evaluate('ZerosLike', [i64([2], [5, 6])])).toEqual([i64([2], [0, 0])]);
    expect(evaluate('OnesLike', [matrix])).toEqual([f32([2, 3], [1, 1, 1, 1, 1, 1])]);
  });

  test('Shape and Size', () => {
    expect(evaluate('Shape', [matrix])).toEqual([i32([2], [2, 3])]);
    expect(evaluate('Shape', [f32([], [1])])).toEqual([i32([0], [])]);
    expect(evaluate('Size', [matrix])).toEqual([i32([], [6])]);
  });
});

describe('rearranging', () => {
  test('Reshape takes one -1', () => {
    expect(evaluate('Reshape', [matrix, i32([2], [3, -1])])).toEqual([f32([3, 2], [1, 2, 3, 4, 5, 6])]);
    expect(evaluate('Reshape', [f32([1, 1], [9]), i32([0], [])])).toEqual([f32([], [9])]);
  });

  test('Transpose in two and three dimensions', () => {
    expect(evaluate('Transpose', [matrix], { perm: [1, 0] })).toEqual([f32([3, 2], [1, 4, 2, 5, 3, 6])]);
    const cube = i32([2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]);
    expect(numbersOf('Transpose', [cube], { perm: [2, 0, 1] })).toEqual([0, 2, 4, 6, 1, 3, 5, 7]);
  });

  test('Squeeze and ExpandDims change the shape alone', () => {
    expect(evaluate('Squeeze', [f32([1, 2, 1], [1, 2])], { axis: [0] })).toEqual([f32([2, 1], [1, 2])]);
    expect(evaluate('ExpandDims', [f32([2], [1, 2])], { axis: 1 })).toEqual([f32([2, 1], [1, 2])]);
  });

  test('Pad and Slice are each other inverse', () => {
    const padded = f32([3, 4], [0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6]);
    expect(evaluate('Pad', [matrix], { paddings: [1, 0, 1, 0] })).toEqual([padded]);
    expect(evaluate('Slice', [padded], { begin: [1, 1], size: [2, -1] })).toEqual([matrix]);
  });

  test('ConcatV2 and Split along either dimension', () => {
    const joined = f32([2, 4], [1, 2, 5, 6, 3, 4, 7, 8]);
    const parts = [f32([2, 2], [1, 2, 3, 4]), f32([2, 2], [5, 6, 7, 8])];
    expect(evaluate('ConcatV2', parts, { axis: 1 })).toEqual([joined]);
    expect(evaluate('Split', [joined], { axis: 1, num_split: 2 })).toEqual(parts);
    expect(evaluate('ConcatV2', [matrix, f32([1, 3], [7, 8, 9])], { axis: 0 })).toEqual([
      f32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ]);
  });

  test('BroadcastTo repeats dimensions of 1 and adds ones in front', () => {
    expect(numbersOf('BroadcastTo', [f32([2, 1], [1, 2]), i32([3], [2, 2, 2])])).toEqual([
      1, 1, 2, 2, 1, 1, 2, 2,
    ]);
    expect(numbersOf('BroadcastTo', [f32([], [4]), i32([1], [3])])).toEqual([4, 4, 4]);
  });

  test('moving keeps the class of the array', () => {
    const moved = evaluate('Transpose', [i64([1, 2], [2 ** 40, -3])], { perm: [1, 0] });
    expect(moved).toEqual([i64([2, 1], [2 ** 40, -3])]);
    expect(evaluate('Pad', [bool([1], [1])], { paddings: [0, 1] })).toEqual([bool([2], [1, 0])]);
  });
});

describe('Cast', () => {
  test.each([
    ['float32', 'int32', [1.9, -1.9, 0], [1, -1, 0]],
    ['float32', 'int64', [1.9, -1.9, 3e9], [1, -1, 3_000_000_000]],
    ['int64', 'float32', [16777217, -2], [16777216, -2]],
    ['float64', 'float32', [0.1], [Math.fround(0.1)]],
    ['int32', 'uint8', [257, -1], [1, 255]],
    ['float32', 'bool', [0, 0.5, -2], [0, 1, 1]],
    ['bool', 'float32', [0, 1], [0, 1]],
  ] as const)('%s to %s', (from, to, given, want) => {
    const [out] = evaluate('Cast', [tensorOf(from, [given.length], given)], { DstT: to });
    expect(out).toEqual(tensorOf(to, [want.length], want));
  });
});

describe('indices', () => {
  test('ArgMax takes the first of equal elements, along any dimension', () => {
    const values = f32([2, 3], [1, 5, 5, 7, 0, 6]);
    expect(evaluate('ArgMax', [values], { axis: 1 })).toEqual([i64([2], [1, 0])]);
    expect(evaluate('ArgMax', [values], { axis: 0 })).toEqual([i64([3], [1, 0, 1])]);
  });

  test('OneHot leaves rows of indices out of range off', () => {
    const [out] = evaluate('OneHot', [i32([3], [1, -1, 3])], { depth: 3, on_value: 2, off_value: 0.5 });
    expect(out).toEqual(f32([3, 3], [0.5, 2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]));
    expect(evaluate('OneHot', [i64([1], [0])], { depth: 2, dtype: 'float64' })).toEqual([
      f64([1, 2], [1, 0]),
    ]);
  });
});

test('a wrong shape at run time names the node', () => {
  const error = errorOf(() => evaluate('Reshape', [matrix, i32([2], [4, -1])]));
  expect(error.code).toMatch(/^PW_(KERNEL_INPUT|OP_INPUT|SHAPE_MISMATCH)$/);
  expect(error.where.node).toBe('subject');
});
