import { type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { distance, errorOf, evaluate, f32, i32, numbersOf, randomTensor } from './support.js';

interface Case {
  readonly input: readonly [n: number, h: number, w: number, c: number];
  readonly filter: readonly [h: number, w: number, c: number, k: number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly padding: 'SAME' | 'VALID';
}

const CASES: readonly Case[] = [
  { input: [2, 5, 6, 3], filter: [3, 3, 3, 4], stride: [1, 1], dilation: [1, 1], padding: 'SAME' },
  { input: [2, 5, 6, 3], filter: [3, 3, 3, 4], stride: [1, 1], dilation: [1, 1], padding: 'VALID' },
  { input: [1, 7, 6, 2], filter: [3, 2, 2, 3], stride: [2, 2], dilation: [1, 1], padding: 'SAME' },
  { input: [1, 7, 6, 2], filter: [3, 2, 2, 3], stride: [2, 3], dilation: [1, 1], padding: 'VALID' },
  { input: [1, 8, 7, 2], filter: [3, 3, 2, 1], stride: [1, 1], dilation: [2, 1], padding: 'SAME' },
  { input: [1, 8, 7, 2], filter: [3, 2, 2, 2], stride: [1, 1], dilation: [2, 3], padding: 'VALID' },
  { input: [3, 4, 4, 1], filter: [1, 1, 1, 5], stride: [1, 1], dilation: [1, 1], padding: 'SAME' },
  { input: [1, 5, 5, 2], filter: [1, 1, 2, 2], stride: [3, 3], dilation: [1, 1], padding: 'SAME' },
  { input: [2, 3, 3, 2], filter: [3, 3, 2, 4], stride: [1, 1], dilation: [1, 1], padding: 'VALID' },
  { input: [1, 2, 2, 1], filter: [5, 5, 1, 2], stride: [1, 1], dilation: [1, 1], padding: 'SAME' },
];

/** Output size and padding in front, as TensorFlow documents them. */
function extent(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
  padding: string,
): [number, number] {
  const reach = (kernel - 1) * dilation + 1;
  if (padding === 'VALID') return [Math.ceil((input - reach + 1) / stride), 0];
  const output = Math.ceil(input / stride);
  return [output, Math.floor(Math.max((output - 1) * stride + reach - input, 0) / 2)];
}

/** Every product of the convolution once: offsets of its input, weight and output (NHWC). */
function products({ input, filter, stride, dilation, padding }: Case): (readonly [number, number, number])[] {
  const [n, h, w, c] = input;
  const [kh, kw, , k] = filter;
  const [oh, top] = extent(h, kh, stride[0], dilation[0], padding);
  const [ow, left] = extent(w, kw, stride[1], dilation[1], padding);
  const all: (readonly [number, number, number])[] = [];
  for (let b = 0; b < n; b++)
    for (let y = 0; y < oh; y++)
      for (let x = 0; x < ow; x++)
        for (let o = 0; o < k; o++)
          for (let i = 0; i < kh; i++)
            for (let j = 0; j < kw; j++)
              for (let d = 0; d < c; d++) {
                const row = y * stride[0] - top + i * dilation[0];
                const col = x * stride[1] - left + j * dilation[1];
                if (row < 0 || row >= h || col < 0 || col >= w) continue;
                all.push([
                  ((b * h + row) * w + col) * c + d,
                  ((i * kw + j) * c + d) * k + o,
                  ((b * oh + y) * ow + x) * k + o,
                ]);
              }
  return all;
}

function outputShape({ input, filter, stride, dilation, padding }: Case): number[] {
  const [oh] = extent(input[1], filter[0], stride[0], dilation[0], padding);
  const [ow] = extent(input[2], filter[1], stride[1], dilation[1], padding);
  return [input[0], oh, ow, filter[3]];
}

function attrsOf({ stride, dilation, padding }: Case, format: string) {
  const four = ([y, x]: readonly [number, number]) => (format === 'NHWC' ? [1, y, x, 1] : [1, 1, y, x]);
  return { strides: four(stride), dilations: four(dilation), padding, data_format: format };
}

const toFormat = (value: TensorValue, format: string): TensorValue =>
  format === 'NHWC' ? value : (evaluate('Transpose', [value], { perm: [0, 3, 1, 2] })[0] as TensorValue);
const backFrom = (value: TensorValue | undefined, format: string): number[] =>
  format === 'NHWC'
    ? toNumbers(value as TensorValue)
    : numbersOf('Transpose', [value as TensorValue], { perm: [0, 2, 3, 1] });
const sizes = (value: TensorValue): TensorValue => i32([4], value.shape);

describe.each(CASES)('$padding $input * $filter, stride $stride, dilation $dilation', (the) => {
  const x = randomTensor('float64', the.input, 1);
  const filter = randomTensor('float64', the.filter, 2);
  const dy = randomTensor('float64', outputShape(the), 3);
  const terms = products(the);

  test.each(['NHWC', 'NCHW'])('%s', (format) => {
    const attrs = attrsOf(the, format);
    const y = new Array<number>(dy.data.length).fill(0);
    const dx = new Array<number>(x.data.length).fill(0);
    const dw = new Array<number>(filter.data.length).fill(0);
    for (const [i, w, o] of terms) {
      y[o] = (y[o] ?? 0) + Number(x.data[i]) * Number(filter.data[w]);
      dx[i] = (dx[i] ?? 0) + Number(dy.data[o]) * Number(filter.data[w]);
      dw[w] = (dw[w] ?? 0) + Number(dy.data[o]) * Number(x.data[i]);
    }
    const input = toFormat(x, format);
    const gradient = toFormat(dy, format);
    const [out] = evaluate('Conv2D', [input, filter], attrs);
    expect(distance(backFrom(out, format), y)).toBeLessThan(1e-13);
    const [byInput] = evaluate('Conv2DBackpropInput', [sizes(input), filter, gradient], attrs);
    expect(byInput?.shape).toEqual(input.shape);
    expect(distance(backFrom(byInput, format), dx)).toBeLessThan(1e-13);
    const [byFilter] = evaluate('Conv2DBackpropFilter', [input, sizes(filter), gradient], attrs);
    expect(byFilter?.shape).toEqual(filter.shape);
    expect(distance(toNumbers(byFilter as TensorValue), dw)).toBeLessThan(1e-13);
  });
});

test('by hand in float32: a 2×2 filter over a 3×3 image', () => {
  const x = f32([1, 3, 3, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const filter = f32([2, 2, 1, 1], [1, 0, 0, -1]);
  const attrs = { strides: [1, 1, 1, 1] };
  expect(evaluate('Conv2D', [x, filter], { ...attrs, padding: 'VALID' })).toEqual([
    f32([1, 2, 2, 1], [-4, -4, -4, -4]),
  ]);
  // SAME pads below and to the right here.
  expect(numbersOf('Conv2D', [x, filter], { ...attrs, padding: 'SAME' })).toEqual([
    -4, -4, 3, -4, -4, 6, 7, 8, 9,
  ]);
});

test('a filter for other channels is an error at the node', () => {
  const error = errorOf(() =>
    evaluate('Conv2D', [f32([1, 2, 2, 2], new Array(8).fill(0)), f32([1, 1, 3, 1], [0, 0, 0])], {
      strides: [1, 1, 1, 1],
      padding: 'SAME',
    }),
  );
  expect(error.code).toMatch(/^PW_/);
  expect(error.where.node).toBe('subject');
});
