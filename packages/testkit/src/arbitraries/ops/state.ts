import type { TensorValue } from '@placewright/ir';
import fc from 'fast-check';
import { shapes } from '../shape.js';
import { floatTensors } from '../tensor.js';
import { type GeneratorTable, type OpGenerator, opCase, type Range, unary, vector } from './case.js';

const scalar = (value: number): TensorValue => ({
  dtype: 'float32',
  shape: [],
  data: Float32Array.of(value),
});

/** An op that takes a value of the variable's shape. */
function assignment(): OpGenerator {
  return shapes()
    .chain((shape) => fc.tuple(floatTensors(shape), floatTensors(shape)))
    .map(([variable, value]) => opCase([value], {}, { variables: [variable] }));
}

/** An optimizer's update: `slots` are the ranges of what is kept beside the variable. */
function update(
  slots: readonly Range[],
  inputs: (gradient: TensorValue) => readonly TensorValue[],
): OpGenerator {
  return shapes()
    .chain((shape) =>
      fc.tuple(floatTensors(shape), floatTensors(shape), ...slots.map((range) => floatTensors(shape, range))),
    )
    .map(([gradient, ...variables]) => opCase(inputs(gradient), {}, { variables }));
}

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

function random(more: (a: number, b: number) => Readonly<Record<string, number>>): OpGenerator {
  const word = fc.nat(2 ** 31 - 1);
  return fc
    .tuple(
      shapes(),
      word,
      fc.oneof(fc.constant(0), word),
      fc.integer({ min: -4, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
    )
    .map(([shape, seed, seed2, a, b]) => opCase([], { shape, seed, seed2, ...more(a / 2, b / 2) }));
}

export const randomCases = {
  StatelessRandomUniform: random((minval, width) => ({ minval, maxval: minval + width })),
  StatelessRandomNormal: random((mean, stddev) => ({ mean, stddev })),
  StatelessTruncatedNormal: random((mean, stddev) => ({ mean, stddev })),
  StatelessRandomUniformV2: fc
    .tuple(shapes(), fc.tuple(fc.bigInt(INT64), fc.bigInt(INT64)), fc.nat(2 ** 31 - 1), fc.boolean())
    .map(([shape, numbers, seed, known]) => {
      const data = BigInt64Array.from(numbers);
      return opCase(
        [vector(shape), { dtype: 'int64', shape: [2], data }],
        { seed, minval: -1 },
        {
          constants: known ? [0] : [],
        },
      );
    }),
} satisfies GeneratorTable;

export const stateCases = {
  ReadVariableOp: shapes()
    .chain((shape) => floatTensors(shape))
    .map((value) => opCase([], {}, { variables: [value] })),
  AssignVariableOp: assignment(),
  AssignAddVariableOp: assignment(),
  AssignSubVariableOp: assignment(),
  ResourceApplyGradientDescent: update([], (gradient) => [scalar(0.1), gradient]),
  ResourceApplyMomentum: fc
    .tuple(
      update([[-1, 1]], (gradient) => [scalar(0.1), gradient, scalar(0.9)]),
      fc.boolean(),
    )
    .map(([body, use_nesterov]) => ({ ...body, attrs: { use_nesterov } })),
  ResourceApplyRMSProp: update(
    [
      [0.5, 2],
      [-1, 1],
    ],
    (gradient) => [scalar(0.1), scalar(0.9), scalar(0.5), scalar(0.1), gradient],
  ),
} satisfies GeneratorTable;

export const stagingCases = {
  Stage: { untested: 'it is half of the case of Unstage' },
  // What is put in one step is got in the next: `opModule` makes the put, and a warm-up.
  Unstage: unary(),
  QueueEnqueueV2: { untested: 'it is half of the case of QueueDequeueV2' },
  QueueDequeueV2: unary(),
  // As many tuples as one warm-up and one step put, or fewer.
  QueueDequeueManyV2: fc
    .tuple(unary(), fc.integer({ min: 0, max: 2 }))
    .map(([body, n]) => ({ ...body, attrs: { n } })),
} satisfies GeneratorTable;

export const communicationCases = {
  Transfer: unary(),
  AllReduce: { untested: 'it is abstract: a pass expands it before anything runs' },
  // One input for each member.
  NcclAllReduce: shapes().chain((shape) =>
    fc.array(floatTensors(shape), { minLength: 1, maxLength: 4 }).map((values) => opCase(values)),
  ),
  Barrier: { untested: 'it has no outputs, and no pass makes one yet' },
} satisfies GeneratorTable;
