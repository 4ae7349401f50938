import { describe, expect, test } from 'vitest';
import { completeAttrs, lookupOp } from '../../src/infer.js';
import type { AttrInput } from '../../src/op.js';
import { philoxBlock } from '../../src/random/philox.js';
import { randomValues } from '../../src/random/values.js';
import { builtinRegistry } from '../../src/registry.js';
import { tensorOf } from '../../src/tensor.js';

function draw(op: string, attrs: AttrInput): Float32Array {
  const value = randomValues({ op, attrs: completeAttrs(lookupOp(builtinRegistry, op), attrs) });
  expect(value.dtype).toBe('float32');
  expect(value.shape).toEqual(attrs.shape);
  return value.data as Float32Array;
}

function moments(data: Float32Array): { mean: number; variance: number } {
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  return { mean, variance: data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length };
}

const OPS = ['StatelessRandomUniform', 'StatelessRandomNormal', 'StatelessTruncatedNormal'];

describe.each(OPS)('%s', (op) => {
  test('draws the same numbers for the same seeds', () => {
    expect(draw(op, { shape: [3, 5], seed: 7 })).toEqual(draw(op, { shape: [3, 5], seed: 7 }));
  });

  test('draws other numbers for another seed or second seed', () => {
    const base = draw(op, { shape: [8], seed: 7 });
    expect(draw(op, { shape: [8], seed: 8 })).not.toEqual(base);
    expect(draw(op, { shape: [8], seed: 7, seed2: 1 })).not.toEqual(base);
  });

  test('an element depends on its index alone, not on the shape', () => {
    const long = draw(op, { shape: [40], seed: 0xffffffff });
    for (const count of [0, 1, 2, 3, 5, 39]) {
      expect(draw(op, { shape: [count], seed: 0xffffffff })).toEqual(long.slice(0, count));
    }
    expect(draw(op, { shape: [5, 8], seed: 0xffffffff })).toEqual(long);
  });
});

test('uniform numbers are the upper bits of the words, scaled', () => {
  const words = new Uint32Array(4);
  philoxBlock(words, 1, 0, 0, 0, 5, 9);
  const data = draw('StatelessRandomUniform', { shape: [8], seed: 5, seed2: 9, minval: -2, maxval: 6 });
  expect([...data.slice(4)]).toEqual(
    [...words].map((word) => Math.fround(-2 + (8 * (word >>> 8)) / 2 ** 24)),
  );
});

test('uniform numbers fill their range evenly', () => {
  const data = draw('StatelessRandomUniform', { shape: [40_000], seed: 3 });
  const { mean, variance } = moments(data);
  expect(mean).toBeCloseTo(0.5, 2);
  expect(variance).toBeCloseTo(1 / 12, 2);
  expect(Math.min(...data)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...data)).toBeLessThan(1);
});

test('normal numbers have their mean and deviation, and pairs that do not correlate', () => {
  const data = draw('StatelessRandomNormal', { shape: [40_000], seed: 3, mean: 10, stddev: 2 });
  const { mean, variance } = moments(data);
  expect(mean).toBeCloseTo(10, 1);
  expect(Math.sqrt(variance)).toBeCloseTo(2, 1);
  let product = 0;
  for (let i = 0; i < data.length; i += 2) product += ((data[i] ?? 0) - mean) * ((data[i + 1] ?? 0) - mean);
  expect(Math.abs(product / (data.length / 2))).toBeLessThan(0.1);
});

test('truncated numbers stay within two deviations and are the normal ones there', () => {
  const attrs = { shape: [20_000], seed: 3 };
  const normal = draw('StatelessRandomNormal', attrs);
  const truncated = draw('StatelessTruncatedNormal', attrs);
  expect(truncated.every((x) => Math.abs(x) <= 2)).toBe(true);
  const kept = normal.filter((x, i) => x === truncated[i]).length / normal.length;
  expect(kept).toBeCloseTo(0.9545, 2);
  // The variance of a normal cut at ±2: 1 − 4φ(2)/(2Φ(2) − 1).
  expect(moments(truncated).variance).toBeCloseTo(0.7737, 1);
});

describe('with a seed as input', () => {
  const drawSeeded = (shape: readonly number[], seed: readonly bigint[], attrs: AttrInput = {}) => {
    const op = 'StatelessRandomUniformV2';
    return randomValues({ op, attrs: completeAttrs(lookupOp(builtinRegistry, op), attrs) }, [
      tensorOf('int32', [shape.length], shape),
      { dtype: 'int64', shape: [2], data: BigInt64Array.from(seed) },
    ]);
  };

  test('draws what the op without draws under the mixed key', () => {
    const key = new Uint32Array(4);
    philoxBlock(key, 0xfffffffe, 0xffffffff, 5, 1, 7, 8);
    const [seed, seed2] = [key[0] ?? 0, key[1] ?? 0];
    const shape = [3, 5];
    expect(drawSeeded(shape, [-2n, 2n ** 32n + 5n], { seed: 7, seed2: 8, maxval: 3 })).toEqual({
      dtype: 'float32',
      shape,
      data: draw('StatelessRandomUniform', { shape, seed, seed2, maxval: 3 }),
    });
  });

  test('each number of the seed and each attribute makes a difference', () => {
    const drawn = [
      drawSeeded([8], [0n, 0n]),
      drawSeeded([8], [1n, 0n]),
      drawSeeded([8], [0n, 1n]),
      drawSeeded([8], [2n ** 32n, 0n]),
      drawSeeded([8], [0n, 2n ** 32n]),
      drawSeeded([8], [0n, 0n], { seed: 1 }),
      drawSeeded([8], [0n, 0n], { seed2: 1 }),
    ].map(({ data }) => String(data));
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  test('numbers of following steps do not correlate', () => {
    const steps = Array.from(
      { length: 400 },
      (_, i) => drawSeeded([50], [BigInt(i), 0n]).data as Float32Array,
    );
    const products = steps
      .slice(1)
      .flatMap((data, i) => [...data].map((x, j) => (x - 0.5) * ((steps[i]?.[j] ?? 0) - 0.5)));
    const mean = products.reduce((sum, x) => sum + x, 0) / products.length;
    expect(Math.abs(mean)).toBeLessThan(0.002);
    expect(moments(Float32Array.from(steps.flatMap((data) => [...data]))).mean).toBeCloseTo(0.5, 2);
  });

  test('missing inputs are refused', () => {
    const op = 'StatelessRandomUniformV2';
    const attrs = completeAttrs(lookupOp(builtinRegistry, op), {});
    expect(() => randomValues({ op, attrs })).toThrow(expect.objectContaining({ code: 'PW_RANDOM_OP' }));
  });
});

test('an op that draws nothing is refused', () => {
  expect(() =>
    randomValues({
      op: 'Fill',
      attrs: completeAttrs(lookupOp(builtinRegistry, 'StatelessRandomNormal'), { shape: [1], seed: 0 }),
    }),
  ).toThrow(expect.objectContaining({ code: 'PW_RANDOM_OP' }));
});
