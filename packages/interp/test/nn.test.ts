import { type TensorValue, toNumbers } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { distance, errorOf, evaluate, f32, f64, i32, i64, numbersOf, randomTensor } from './support.js';

describe('biases', () => {
  test('BiasAdd in both formats and in two dimensions', () => {
    const bias = f32([2], [10, 20]);
    const image = f32([1, 2, 1, 2], [1, 2, 3, 4]);
    expect(numbersOf('BiasAdd', [image, bias])).toEqual([11, 22, 13, 24]);
    expect(numbersOf('BiasAdd', [image, bias], { data_format: 'NCHW' })).toEqual([11, 12, 23, 24]);
    expect(numbersOf('BiasAdd', [f32([2, 2], [1, 2, 3, 4]), bias])).toEqual([11, 22, 13, 24]);
  });

  test('BiasAddGrad sums all but the channels', () => {
    const image = f32([2, 2, 1, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(evaluate('BiasAddGrad', [image])).toEqual([f32([2], [16, 20])]);
    expect(numbersOf('BiasAddGrad', [image], { data_format: 'NCHW' })).toEqual([14, 22]);
  });
});

function softmaxRow(row: readonly number[]): number[] {
  const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
  return row.map((x) => Math.exp(x) / total);
}

describe('softmax', () => {
  const logits = [1, 2, 3, -1, 0, 5];
  const want = [...softmaxRow(logits.slice(0, 3)), ...softmaxRow(logits.slice(3))];

  test('Softmax and LogSoftmax along the last dimension', () => {
    expect(distance(numbersOf('Softmax', [f64([2, 3], logits)]), want)).toBeLessThan(1e-15);
    expect(distance(numbersOf('LogSoftmax', [f64([2, 3], logits)]), want.map(Math.log))).toBeLessThan(1e-14);
    expect(distance(numbersOf('Softmax', [f32([2, 3], logits)]), want)).toBeLessThan(1e-7);
  });

  test('large logits do not overflow', () => {
    expect(numbersOf('Softmax', [f32([2], [1000, 1000])])).toEqual([0.5, 0.5]);
    expect(numbersOf('LogSoftmax', [f32([2], [0, -1000])])).toEqual([0, -1000]);
  });

  test.each([i32, i64])('cross entropy and its gradient', (labels) => {
    const [loss, backprop] = evaluate('SparseSoftmaxCrossEntropyWithLogits', [
      f64([2, 3], logits),
      labels([2], [2, 0]),
    ]);
    const losses = [-Math.log(want[2] ?? 0), -Math.log(want[3] ?? 0)];
    expect(distance(toNumbers(loss as TensorValue), losses)).toBeLessThan(1e-14);
    const gradient = want.map((p, i) => p - (i === 2 || i === 3 ? 1 : 0));
    expect(distance(toNumbers(backprop as TensorValue), gradient)).toBeLessThan(1e-14);
  });

  test.each([3, -1])('label %i of 3 classes is an error with the node and the label', (label) => {
    const error = errorOf(() =>
      evaluate('SparseSoftmaxCrossEntropyWithLogits', [f32([1, 3], [1, 2, 3]), i32([1], [label])]),
    );
    expect([error.code, error.where.node]).toEqual(['PW_KERNEL_INPUT', 'subject']);
    expect(error.message).toContain(`label ${label} of example 0`);
  });
});

describe('batch norm', () => {
  const shape = [2, 3, 2, 2];
  const x = randomTensor('float64', shape, 5);
  const scale = f64([2], [1.5, -0.5]);
  const offset = f64([2], [0.25, 2]);
  const zeros = f64([2], [0, 0]);
  const channel = (c: number) => toNumbers(x).filter((_, i) => i % 2 === c);
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const means = [0, 1].map((c) => mean(channel(c)));
  const variances = [0, 1].map((c) => mean(channel(c).map((v) => (v - (means[c] ?? 0)) ** 2)));

  test('training: normalised by the moments of the batch', () => {
    const outputs = evaluate('FusedBatchNormV3', [x, scale, offset, zeros, zeros], { epsilon: 0.01 });
    const [y, batchMean, batchVariance, reserve1, reserve2] = outputs.map(toNumbers);
    const want = toNumbers(x).map((v, i) => {
      const c = i % 2;
      const normal = (v - (means[c] ?? 0)) / Math.sqrt((variances[c] ?? 0) + 0.01);
      return normal * Number(scale.data[c]) + Number(offset.data[c]);
    });
    expect(distance(y ?? [], want)).toBeLessThan(1e-14);
    expect(distance(batchMean ?? [], means)).toBeLessThan(1e-15);
    expect(
      distance(
        batchVariance ?? [],
        variances.map((v) => (v * 12) / 11),
      ),
    ).toBeLessThan(1e-15);
    expect(distance(reserve1 ?? [], means)).toBeLessThan(1e-15);
    expect(distance(reserve2 ?? [], variances)).toBeLessThan(1e-15);
  });

  test('inference: normalised by the given moments, which are given back', () => {
    const moments = [f64([2], [0.5, -1]), f64([2], [2, 3])];
    const outputs = evaluate('FusedBatchNormV3', [x, scale, offset, ...moments], {
      is_training: false,
      epsilon: 0.01,
    });
    expect(outputs.slice(1)).toEqual([...moments, ...moments]);
    const first = (Number(x.data[0]) - 0.5) / Math.sqrt(2.01);
    expect(distance([Number(outputs[0]?.data[0])], [first * 1.5 + 0.25])).toBeLessThan(1e-14);
  });

  test('the other format gives the same, transposed', () => {
    const [xt] = evaluate('Transpose', [x], { perm: [0, 3, 1, 2] });
    const [last] = evaluate('FusedBatchNormV3', [x, scale, offset, zeros, zeros]);
    const [first] = evaluate('FusedBatchNormV3', [xt as TensorValue, scale, offset, zeros, zeros], {
      data_format: 'NCHW',
    });
    const back = numbersOf('Transpose', [first as TensorValue], { perm: [0, 2, 3, 1] });
    expect(distance(back, toNumbers(last as TensorValue))).toBeLessThan(1e-15);
  });
});

describe('LRN', () => {
  test('divides by the sums over the neighbours, cut at both ends', () => {
    const x = f64([1, 1, 1, 4], [1, 2, -3, 4]);
    const attrs = { depth_radius: 1, bias: 2, alpha: 0.5, beta: 0.75 };
    const sums = [1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16];
    const want = [1, 2, -3, 4].map((value, i) => value / (2 + 0.5 * (sums[i] ?? 0)) ** 0.75);
    expect(distance(numbersOf('LRN', [x], attrs), want)).toBeLessThan(1e-15);
  });

  test('of radius 0 each element is its own neighbour, of a large radius all are', () => {
    const x = f64([1, 1, 1, 2], [3, 4]);
    const attrs = { bias: 0, alpha: 1, beta: 0.5 };
    expect(numbersOf('LRN', [x], { ...attrs, depth_radius: 0 })).toEqual([1, 1]);
    const wide = numbersOf('LRN', [x], { ...attrs, depth_radius: 100 });
    expect(distance(wide, [0.6, 0.8])).toBeLessThan(1e-15);
  });

  test('its gradient wants three tensors of one shape, of 4 dimensions', () => {
    const images = (...shape: number[]) => randomTensor('float32', shape, 1);
    const wrong = [images(1, 1, 1, 2), images(1, 1, 1, 2), images(1, 1, 1, 3)];
    expect(errorOf(() => evaluate('LRNGrad', wrong))).toMatchObject({ code: expect.stringMatching(/^PW_/) });
    expect(errorOf(() => evaluate('LRN', [images(1, 2)]))).toMatchObject({
      code: expect.stringMatching(/^PW_/),
    });
  });
});
