import { describe, expect, test } from 'vitest';
import { windowOutput, windowOutputDim, windowPads, windowReach } from '../../src/ops/window.js';

// Values as TensorFlow computes them: [input, kernel, stride, dilation] → [output, before, after].
describe.each([
  ['SAME', 28, 5, 1, 1, 28, 2, 2],
  ['SAME', 5, 2, 2, 1, 3, 0, 1],
  ['SAME', 5, 3, 2, 1, 3, 1, 1],
  ['SAME', 6, 3, 2, 1, 3, 0, 1],
  ['SAME', 224, 7, 2, 1, 112, 2, 3],
  ['SAME', 7, 1, 3, 1, 3, 0, 0],
  ['SAME', 6, 3, 1, 2, 6, 2, 2],
  ['VALID', 28, 5, 1, 1, 24, 0, 0],
  ['VALID', 5, 2, 2, 1, 2, 0, 0],
  ['VALID', 6, 3, 1, 2, 2, 0, 0],
  ['VALID', 3, 3, 2, 1, 1, 0, 0],
] as const)(
  '%s %i: kernel %i, stride %i, dilation %i',
  (padding, input, kernel, stride, dilation, output, before, after) => {
    const spec = { kernel, stride, dilation, padding };

    test(`has ${output} places and ${before} + ${after} of padding`, () => {
      expect(windowOutput(input, spec)).toBe(output);
      expect(windowPads(input, spec)).toEqual({ before, after });
    });

    test('every window lies inside of the padded input, and with VALID no further one fits', () => {
      const end = (output - 1) * stride + windowReach(spec);
      expect(end).toBeLessThanOrEqual(Math.max(input + before + after, windowReach(spec) - stride));
      if (padding === 'VALID') expect(end + stride).toBeGreaterThan(input);
    });
  },
);

test('an unknown dimension stays unknown', () => {
  const spec = { kernel: 2, stride: 1, dilation: 1, padding: 'VALID' } as const;
  expect(windowOutputDim(null, spec)).toBe(null);
  expect(windowOutputDim(5, spec)).toBe(4);
});
