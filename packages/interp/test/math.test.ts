import { tensorOf, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { distance, evaluate, f32, i32, i64, numbersOf, randomTensor } from './support.js';

describe('MatMul', () => {
  test('by hand', () => {
    const a = f32([2, 3], [1, 2, 3, 4, 5, 6]);
    const b = f32([3, 2], [7, 8, 9, 10, 11, 12]);
    expect(evaluate('MatMul', [a, b])).toEqual([f32([2, 2], [58, 64, 139, 154])]);
  });

  test.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('transposed %s, %s against the sum of products', (ta, tb) => {
    for (const [m, k, n] of [
      [1, 1, 1],
      [3, 5, 2],
      [4, 8, 7],
      [2, 9, 1],
      [1, 3, 6],
    ] as const) {
      const a = randomTensor('float64', ta ? [k, m] : [m, k], 1);
      const b = randomTensor('float64', tb ? [n, k] : [k, n], 2);
      const at = (i: number, j: number) => Number(a.data[ta ? j * m + i : i * k + j]);
      const bt = (i: number, j: number) => Number(b.data[tb ? j * k + i : i * n + j]);
      const want = Array.from({ length: m * n }, (_, o) =>
        Array.from({ length: k }, (_, l) => at(Math.floor(o / n), l) * bt(l, o % n)).reduce(
          (s, x) => s + x,
          0,
        ),
      );
      const out = numbersOf('MatMul', [a, b], { transpose_a: ta, transpose_b: tb });
      expect(distance(out, want)).toBeLessThan(1e-14);
    }
  });

  test('an inner dimension of 0 gives zeros', () => {
    expect(evaluate('MatMul', [f32([2, 0], []), f32([0, 2], [])])).toEqual([f32([2, 2], [0, 0, 0, 0])]);
  });

  test('float32 sums are exact until one rounding', () => {
    const ones = new Array<number>(4).fill(1);
    expect(numbersOf('MatMul', [f32([1, 4], [16777216, 1, 1, 1]), f32([4, 1], ones)])).toEqual([16777220]);
  });
});

describe('reductions', () => {
  const cube = f32([2, 3, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

  test.each([
    ['Sum', [0], [3, 2], [8, 10, 12, 14, 16, 18]],
    ['Sum', [1], [2, 2], [9, 12, 27, 30]],
    ['Sum', [0, 2], [3], [18, 26, 34]],
    ['Sum', [0, 1, 2], [], [78]],
    ['Mean', [0, 1], [2], [6, 7]],
    ['Mean', [1, 2], [2], [3.5, 9.5]],
    ['Max', [1], [2, 2], [5, 6, 11, 12]],
    ['Max', [0, 2], [3], [8, 10, 12]],
  ])('%s over %j', (op, axis, shape, want) => {
    expect(evaluate(op, [cube], { axis })).toEqual([f32(shape, want)]);
    const kept = [2, 3, 2].map((dim, i) => (axis.includes(i) ? 1 : dim));
    expect(evaluate(op, [cube], { axis, keep_dims: true })).toEqual([f32(kept, want)]);
  });

  test('an empty list of dimensions reduces nothing', () => {
    for (const op of ['Sum', 'Mean', 'Max']) expect(evaluate(op, [cube], { axis: [] })).toEqual([cube]);
  });

  test('integers', () => {
    expect(evaluate('Sum', [i64([2], [2 ** 52, 2 ** 52 + 1])], { axis: [0] })[0]?.data).toEqual(
      BigInt64Array.of(2n ** 53n + 1n),
    );
    expect(numbersOf('Sum', [i32([2], [2 ** 31 - 1, 1])], { axis: [0] })).toEqual([-(2 ** 31)]);
    expect(numbersOf('Mean', [i32([3], [-1, -2, -2])], { axis: [0] })).toEqual([-1]);
    expect(numbersOf('Max', [i64([3], [-5, -2, -9])], { axis: [0] })).toEqual([-2]);
    expect(numbersOf('Sum', [tensorOf('uint8', [2], [200, 100])], { axis: [0] })).toEqual([44]);
  });

  test('nothing sums to 0', () => {
    expect(evaluate('Sum', [f32([2, 0], [])], { axis: [1] })).toEqual([f32([2], [0, 0])]);
  });

  test('float32 sums are exact until one rounding', () => {
    const value = f32([5], [16777216, 1, 1, 1, 1]);
    expect(numbersOf('Sum', [value], { axis: [0] })).toEqual([16777220]);
  });
});

test('L2Loss is half the sum of squares', () => {
  const value = randomTensor('float64', [3, 4], 3);
  const want = toNumbers(value).reduce((sum, x) => sum + x * x, 0) / 2;
  expect(distance(numbersOf('L2Loss', [value]), [want])).toBeLessThan(1e-14);
  expect(evaluate('L2Loss', [f32([2], [3, 4])])).toEqual([f32([], [12.5])]);
});
