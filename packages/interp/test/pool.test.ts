import { type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { distance, evaluate, f32, i32, numbersOf, randomTensor } from './support.js';

interface Case {
  readonly input: readonly [n: number, h: number, w: number, c: number];
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: 'SAME' | 'VALID';
}

const CASES: readonly Case[] = [
  { input: [2, 4, 4, 3], kernel: [2, 2], stride: [2, 2], padding: 'SAME' },
  { input: [1, 5, 7, 2], kernel: [3, 3], stride: [2, 2], padding: 'SAME' },
  { input: [1, 5, 7, 2], kernel: [3, 3], stride: [2, 2], padding: 'VALID' },
  { input: [1, 6, 5, 2], kernel: [3, 2], stride: [1, 1], padding: 'SAME' },
  { input: [2, 6, 5, 1], kernel: [2, 3], stride: [3, 1], padding: 'VALID' },
  { input: [1, 5, 5, 2], kernel: [2, 2], stride: [3, 3], padding: 'SAME' },
  { input: [1, 3, 3, 2], kernel: [3, 3], stride: [1, 1], padding: 'VALID' },
];

/** Offsets (NHWC) of the cells inside of each window, row by row, by the output's offset. */
function windows({ input, kernel, stride, padding }: Case): { shape: number[]; cells: number[][] } {
  const [n, h, w, c] = input;
  const extent = (size: number, k: number, s: number): [number, number] => {
    if (padding === 'VALID') return [Math.floor((size - k) / s) + 1, 0];
    const output = Math.ceil(size / s);
    return [output, Math.floor(Math.max((output - 1) * s + k - size, 0) / 2)];
  };
  const [oh, top] = extent(h, kernel[0], stride[0]);
  const [ow, left] = extent(w, kernel[1], stride[1]);
  const cells: number[][] = [];
  for (let b = 0; b < n; b++)
    for (let y = 0; y < oh; y++)
      for (let x = 0; x < ow; x++)
        for (let d = 0; d < c; d++) {
          const inside: number[] = [];
          for (let i = 0; i < kernel[0]; i++)
            for (let j = 0; j < kernel[1]; j++) {
              const row = y * stride[0] - top + i;
              const col = x * stride[1] - left + j;
              if (row >= 0 && row < h && col >= 0 && col < w) inside.push(((b * h + row) * w + col) * c + d);
            }
          cells.push(inside);
        }
  return { shape: [n, oh, ow, c], cells };
}

function attrsOf({ kernel, stride, padding }: Case, format: string) {
  const four = ([y, x]: readonly [number, number]) => (format === 'NHWC' ? [1, y, x, 1] : [1, 1, y, x]);
  return { ksize: four(kernel), strides: four(stride), padding, data_format: format };
}

const toFormat = (value: TensorValue, format: string): TensorValue =>
  format === 'NHWC' ? value : (evaluate('Transpose', [value], { perm: [0, 3, 1, 2] })[0] as TensorValue);
const backFrom = (value: TensorValue | undefined, format: string): number[] =>
  format === 'NHWC'
    ? toNumbers(value as TensorValue)
    : numbersOf('Transpose', [value as TensorValue], { perm: [0, 2, 3, 1] });

describe.each(CASES)('$padding $input, window $kernel, stride $stride', (the) => {
  const x = randomTensor('float64', the.input, 11);
  const values = toNumbers(x);
  const { shape, cells } = windows(the);
  const dy = randomTensor('float64', shape, 12);
  const slopes = toNumbers(dy);
  const at = (i: number): number => values[i] ?? Number.NaN;

  test.each(['NHWC', 'NCHW'])('MaxPool, %s', (format) => {
    const attrs = attrsOf(the, format);
    const [y] = evaluate('MaxPool', [toFormat(x, format)], attrs);
    expect(backFrom(y, format)).toEqual(cells.map((inside) => Math.max(...inside.map(at))));
    const want = new Array<number>(values.length).fill(0);
    cells.forEach((inside, o) => {
      const best = inside.find((i) => at(i) === Math.max(...inside.map(at))) ?? -1;
      want[best] = (want[best] ?? 0) + (slopes[o] ?? 0);
    });
    const [dx] = evaluate(
      'MaxPoolGrad',
      [toFormat(x, format), y as TensorValue, toFormat(dy, format)],
      attrs,
    );
    expect(distance(backFrom(dx, format), want)).toBeLessThan(1e-15);
  });

  test.each(['NHWC', 'NCHW'])('AvgPool, %s', (format) => {
    const attrs = attrsOf(the, format);
    const input = toFormat(x, format);
    const [y] = evaluate('AvgPool', [input], attrs);
    const means = cells.map((inside) => inside.reduce((sum, i) => sum + at(i), 0) / inside.length);
    expect(distance(backFrom(y, format), means)).toBeLessThan(1e-15);
    const want = new Array<number>(values.length).fill(0);
    cells.forEach((inside, o) => {
      for (const i of inside) want[i] = (want[i] ?? 0) + (slopes[o] ?? 0) / inside.length;
    });
    const [dx] = evaluate('AvgPoolGrad', [i32([4], input.shape), toFormat(dy, format)], attrs);
    expect(dx?.shape).toEqual(input.shape);
    expect(distance(backFrom(dx, format), want)).toBeLessThan(1e-15);
  });
});

describe('MaxPoolGrad with ties', () => {
  const attrs = { ksize: [1, 2, 2, 1], strides: [1, 2, 2, 1], padding: 'VALID' };

  test('goes to the first in row-major order', () => {
    const x = f32([1, 2, 4, 1], [1, 3, 2, 2, 3, 3, 2, 2]);
    const y = f32([1, 1, 2, 1], [3, 2]);
    expect(numbersOf('MaxPoolGrad', [x, y, f32([1, 1, 2, 1], [5, 7])], attrs)).toEqual([
      0, 5, 7, 0, 0, 0, 0, 0,
    ]);
  });

  test('padding never wins, negative values do', () => {
    const x = f32([1, 1, 1, 1], [-4]);
    const same = { ...attrs, padding: 'SAME' };
    expect(numbersOf('MaxPool', [x], same)).toEqual([-4]);
    expect(numbersOf('MaxPoolGrad', [x, x, f32([1, 1, 1, 1], [2])], same)).toEqual([2]);
  });

  test('overlapping windows add up', () => {
    const x = f32([1, 1, 3, 1], [0, 9, 0]);
    const overlapping = { ksize: [1, 1, 2, 1], strides: [1, 1, 1, 1], padding: 'VALID' };
    const y = f32([1, 1, 2, 1], [9, 9]);
    expect(numbersOf('MaxPoolGrad', [x, y, f32([1, 1, 2, 1], [1, 2])], overlapping)).toEqual([0, 3, 0]);
  });
});
