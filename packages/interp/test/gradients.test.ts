import { type AttrInput, builtinRegistry, type TensorValue } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { CASES, type GradientCase } from './gradients/cases.js';
import { compare, gradientsAt, isVariable } from './gradients/check.js';
import { f64 } from './support.js';

const withGradient = [...builtinRegistry.ops.values()].filter(
  ({ gradient }) => typeof gradient === 'function',
);

test('every op with a gradient has cases', () => {
  expect(Object.keys(CASES).toSorted()).toEqual(withGradient.map(({ op }) => op).toSorted());
});

function titleOf({ inputs, attrs = {}, outputs }: GradientCase): string {
  const shapes = inputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' ');
  return `${shapes} ${JSON.stringify(attrs)}${outputs === undefined ? '' : ` by output ${outputs.join(', ')}`}`;
}

const hasBatch = ({ inputs, staticOnly }: GradientCase): boolean =>
  staticOnly !== true && inputs.some((input) => isVariable(input) && input.batch === true);

describe.each(Object.entries(CASES))('gradient of %s', (op, cases) => {
  const titled = cases.map((the, i) => [titleOf(the), the, i + 1] as const);

  test.each(titled)('%s', (_, the, seed) => {
    const { differentiated, error } = compare(op, the, seed);
    expect(error).toBeLessThan(1e-7);
    const want = the.inputs.flatMap((input, i) =>
      isVariable(input) && !the.without?.includes(i) ? [i] : [],
    );
    expect(differentiated).toEqual(want);
  });

  const batched = titled.filter(([, the]) => hasBatch(the));
  if (batched.length === 0) return;
  test.each(batched)('with an unknown batch: %s', (_, the, seed) => {
    expect(compare(op, the, seed, { unknownBatch: true }).error).toBeLessThan(1e-7);
  });
});

test('a wrong gradient is noticed', () => {
  const ops = new Map(builtinRegistry.ops);
  const neg = ops.get('Neg');
  if (neg !== undefined) ops.set('Neg', { ...neg, gradient: (context) => [context.grad(0)] });
  const the = { inputs: [{ shape: [2, 3] }] };
  expect(compare('Neg', the, 1, { registry: { ops } }).error).toBeGreaterThan(0.1);
  if (neg !== undefined) ops.set('Neg', { ...neg, gradient: 'zero' });
  expect(compare('Neg', the, 1, { registry: { ops } }).error).toBeGreaterThan(0.1);
});

describe('at a kink', () => {
  const x = f64([3], [1, 2, 0]);
  test.each<[string, readonly TensorValue[], AttrInput, (number[] | null)[]]>([
    [
      'Maximum',
      [x, f64([3], [1, 1, 1])],
      {},
      [
        [1, 1, 0],
        [0, 0, 1],
      ],
    ],
    [
      'Minimum',
      [x, f64([3], [1, 1, 1])],
      {},
      [
        [1, 0, 1],
        [0, 1, 0],
      ],
    ],
    ['Max', [f64([4], [1, 3, 3, 2])], { axis: [0] }, [[0, 0.5, 0.5, 0]]],
    ['Abs', [x], {}, [[1, 1, 0]]],
    ['Relu', [x], {}, [[1, 1, 0]]],
    ['StopGradient', [x], {}, [null]],
  ])('%s', (op, inputs, attrs, want) => {
    expect(gradientsAt(op, inputs, attrs)).toEqual(want);
  });
});
