import { tensorOf } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { bool, distance, evaluate, f32, f64, i32, i64, numbersOf } from './support.js';

const fround = Math.fround;

describe('two operands', () => {
  test.each([
    ['AddV2', [4, 7, 1]],
    ['Sub', [-2, 3, -3]],
    ['Mul', [3, 10, -2]],
    ['RealDiv', [fround(1 / 3), 2.5, -0.5]],
    ['Maximum', [3, 5, 2]],
    ['Minimum', [1, 2, -1]],
    ['SquaredDifference', [4, 9, 9]],
  ])('%s', (op, want) => {
    expect(numbersOf(op, [f32([3], [1, 5, -1]), f32([3], [3, 2, 2])])).toEqual(want);
  });

  test.each([
    ['Equal', [0, 1, 0]],
    ['Greater', [1, 0, 0]],
    ['GreaterEqual', [1, 1, 0]],
    ['Less', [0, 0, 1]],
  ])('%s gives bool', (op, want) => {
    expect(evaluate(op, [f32([3], [2, 1, 0]), f32([3], [1, 1, 1])])).toEqual([bool([3], want)]);
    expect(evaluate(op, [i64([3], [2, 1, 0]), i64([], [1])])).toEqual([bool([3], want)]);
  });

  test('float32 rounds after every step, float64 does not', () => {
    const [a, b] = [0.1, 3.7];
    const d = fround(fround(a) - fround(b));
    expect(numbersOf('SquaredDifference', [f32([1], [a]), f32([1], [b])])).toEqual([fround(d * d)]);
    expect(numbersOf('SquaredDifference', [f64([1], [a]), f64([1], [b])])).toEqual([(a - b) ** 2]);
    expect(numbersOf('AddV2', [f32([1], [16777216]), f32([1], [1])])).toEqual([16777216]);
  });

  test('integers wrap around', () => {
    expect(numbersOf('AddV2', [i32([1], [2 ** 31 - 1]), i32([1], [1])])).toEqual([-(2 ** 31)]);
    expect(numbersOf('Mul', [i32([1], [123456789]), i32([1], [987654321])])).toEqual([-67153019]);
    expect(numbersOf('Mul', [i64([1], [2 ** 33]), i64([1], [3])])).toEqual([3 * 2 ** 33]);
  });

  test('halves round to their own format, ties to even', () => {
    const half = (values: number[]) => tensorOf('float16', [values.length], values);
    expect(numbersOf('AddV2', [half([2048, 2048, 65504, 2 ** -14]), half([1, 3, 16, 2 ** -24])])).toEqual([
      2048,
      2052,
      Infinity,
      2 ** -14 + 2 ** -24,
    ]);
    const brain = (values: number[]) => tensorOf('bfloat16', [values.length], values);
    expect(numbersOf('AddV2', [brain([256, 256, -1]), brain([1, 3, 2 ** -9])])).toEqual([256, 260, -1]);
  });

  test('broadcasting by NumPy rules', () => {
    const row = f32([3], [10, 20, 30]);
    const column = f32([2, 1], [1, 2]);
    const [out] = evaluate('AddV2', [row, column]);
    expect(out).toEqual(f32([2, 3], [11, 21, 31, 12, 22, 32]));
    expect(numbersOf('Sub', [f32([], [1]), f32([2, 2], [1, 2, 3, 4])])).toEqual([0, -1, -2, -3]);
    expect(numbersOf('Mul', [f32([2, 1, 2], [1, 2, 3, 4]), f32([3, 1], [1, 10, 100])])).toEqual([
      1, 2, 10, 20, 100, 200, 3, 4, 30, 40, 300, 400,
    ]);
    expect(evaluate('AddV2', [f32([0, 3], []), row])).toEqual([f32([0, 3], [])]);
  });
});

describe('one operand', () => {
  test.each<[string, (x: number) => number]>([
    ['Neg', (x) => -x],
    ['Exp', Math.exp],
    ['Log', Math.log],
    ['Square', (x) => x * x],
    ['Sqrt', Math.sqrt],
    ['Rsqrt', (x) => x ** -0.5],
    ['Tanh', Math.tanh],
    ['Sigmoid', (x) => 1 / (1 + Math.exp(-x))],
    ['Abs', Math.abs],
  ])('%s', (op, f) => {
    const values = [0.25, 1, 3.5];
    expect(distance(numbersOf(op, [f64([3], values)]), values.map(f))).toBeLessThan(1e-15);
    expect(distance(numbersOf(op, [f32([3], values)]), values.map(f))).toBeLessThan(2e-6);
  });

  test('Relu and its gradient are zero at zero and keep NaN', () => {
    const x = f32([4], [-1, 0, 2, Number.NaN]);
    expect(numbersOf('Relu', [x])).toEqual([0, 0, 2, Number.NaN]);
    expect(numbersOf('ReluGrad', [f32([3], [5, 6, 7]), f32([3], [-1, 0, 2])])).toEqual([0, 0, 7]);
  });
});

test('AddN adds from left to right in float32', () => {
  const big = f32([1], [16777216]);
  const one = f32([1], [1]);
  expect(numbersOf('AddN', [big, one, one])).toEqual([16777216]);
  expect(numbersOf('AddN', [one, one, big])).toEqual([16777218]);
  expect(numbersOf('AddN', [one])).toEqual([1]);
});

test('Select broadcasts its three inputs', () => {
  const out = numbersOf('Select', [bool([2, 1], [1, 0]), f32([], [7]), f32([1, 2], [1, 2])]);
  expect(out).toEqual([7, 7, 1, 2]);
});

test('ClipByValue', () => {
  expect(numbersOf('ClipByValue', [f32([3], [-2, 0.5, 9]), f32([], [-1]), f32([], [1])])).toEqual([
    -1, 0.5, 1,
  ]);
});
