import { describe, expect, test } from 'vitest';
import {
  add,
  array,
  constant,
  div,
  type Floats,
  mul,
  scalar,
  sqrt,
  sub,
  vectorKernel,
} from '../src/engines/embedded/kernels/vector.js';

/** Numbers of all sizes and both signs, the special ones among them. */
function numbers(length: number, seed: number): number[] {
  const special = [0, -0, 1e-45, -1e-40, 3e38, Infinity, -Infinity, Number.NaN];
  return Array.from({ length }, (_, i) => special[i + seed] ?? Math.sin(i * seed) * 10 ** ((i % 21) - 10));
}

const types = {
  float32: { make: (values: number[]): Floats => Float32Array.from(values), round: Math.fround },
  float64: { make: (values: number[]): Floats => Float64Array.from(values), round: (x: number) => x },
};

describe.each(Object.entries(types))('vector kernels on %s', (_, { make, round }) => {
  // One vector, less than one, and more than what is in the program's memory at once.
  test.each([0, 1, 4, 7, 4099, 10_000])('%i elements, each operation rounded', (length) => {
    const [a, b] = [make(numbers(length, 0)), make(numbers(length, 3))];
    const [x, y, s] = [array(0), array(1), scalar(0)];
    const product = mul(x, s);
    const kernel = vectorKernel([add(product, y), sqrt(div(sub(y, product), constant(3)))]);
    const [first, second] = [make(new Array(length).fill(1)), make(new Array(length).fill(2))];
    kernel([a, b], [first, second], [round(0.1)]);
    for (let i = 0; i < length; i++) {
      const p = round((a[i] as number) * round(0.1));
      const q = b[i] as number;
      expect(first[i], `${i}`).toBe(round(p + q));
      expect(second[i], `${i}`).toBe(round(Math.sqrt(round(round(q - p) / 3))));
    }
  });

  test('an output may be an input, and either input may be both', () => {
    const a = make([1, 2, 3]);
    vectorKernel([sub(array(1), array(0)), add(array(0), array(1))])([a, a], [make([0, 0, 0]), a], []);
    expect([...a]).toEqual([2, 4, 6]);
  });

  test('elements before and after a part of memory are left alone', () => {
    const a = make([1, 2, 3, 4, 5, 6]);
    const part = a.subarray(1, 4);
    vectorKernel([mul(array(0), scalar(0))])([part], [part], [10]);
    expect([...a]).toEqual([1, 20, 30, 40, 5, 6]);
  });
});
