import fc from 'fast-check';
import { shapes } from '../shape.js';
import { anyTensors, floatTensors, intTensors } from '../tensor.js';
import { type GeneratorTable, opCase, unary, vector } from './case.js';

const floats = (minRank = 0) => shapes({ minRank }).chain((shape) => floatTensors(shape));

/** Shapes that hold as many elements, with and without a -1. */
function sameCount(shape: readonly number[]): readonly number[][] {
  return [
    [-1],
    [...shape],
    [...shape].reverse(),
    [1, ...shape],
    [...shape.slice(1), shape[0] ?? 1],
    [...shape, -1],
  ];
}

export const arrayCases = {
  Const: anyTensors({ maxRank: 3, minDim: 1, maxDim: 4 })
    .filter(({ dtype }) => dtype !== 'float16' && dtype !== 'bfloat16')
    .map((value) => opCase([], { value })),
  Placeholder: { untested: 'it is the input of every other case' },
  Identity: unary(),
  StopGradient: unary(),
  NoOp: fc.constant(opCase([])),
  Shape: unary(),
  Size: unary(),
  Cast: fc.oneof(
    fc
      .tuple(floats(), fc.constantFrom('float32', 'float64', 'int32', 'int64', 'bool'))
      .map(([x, DstT]) => opCase([x], { DstT })),
    fc
      .tuple(
        shapes().chain((shape) => intTensors('int32', shape, [-9, 9])),
        fc.constantFrom('float32', 'int64', 'bool', 'int32'),
      )
      .map(([x, DstT]) => opCase([x], { DstT })),
    shapes()
      .chain((shape) => intTensors('bool', shape, [0, 1]))
      .map((x) => opCase([x], { DstT: 'float32' })),
  ),
  ZerosLike: unary(),
  OnesLike: unary(),
  Fill: fc
    .tuple(shapes(), fc.integer({ min: -9, max: 9 }), fc.constantFrom('float32', 'int32', 'int64'))
    .map(([shape, value, dtype]) => opCase([], { shape, value, dtype })),
  ArgMax: floats(1).chain((x) => fc.nat(x.shape.length - 1).map((axis) => opCase([x], { axis }))),
  OneHot: fc
    .tuple(
      fc.integer({ min: 1, max: 5 }),
      shapes({ maxRank: 2 }).chain((shape) => intTensors('int32', shape, [0, 4])),
    )
    .map(([depth, indices]) => opCase([indices], { depth })),
} satisfies GeneratorTable;

export const layoutCases = {
  Reshape: floats().chain((x) =>
    fc.constantFrom(...sameCount(x.shape)).map((to) => opCase([x, vector(to)], {}, { constants: [1] })),
  ),
  Transpose: floats().chain((x) => {
    const axes = x.shape.map((_, i) => i);
    return fc
      .shuffledSubarray(axes, { minLength: axes.length, maxLength: axes.length })
      .map((perm) => opCase([x], { perm }));
  }),
  Squeeze: shapes({ maxRank: 3 }).chain((shape) =>
    fc
      .nat(shape.length)
      .chain((axis) => floatTensors(shape.toSpliced(axis, 0, 1)).map((x) => opCase([x], { axis: [axis] }))),
  ),
  ExpandDims: floats().chain((x) => fc.nat(x.shape.length).map((axis) => opCase([x], { axis }))),
  Pad: floats(1).chain((x) =>
    fc
      .array(fc.nat(2), { minLength: 2 * x.shape.length, maxLength: 2 * x.shape.length })
      .map((paddings) => opCase([x], { paddings })),
  ),
  Slice: floats(1).chain((x) =>
    fc
      .tuple(...x.shape.map((dim) => fc.tuple(fc.nat(dim - 1), fc.nat(dim - 1), fc.boolean())))
      .map((parts) => {
        const begin = parts.map(([a, b]) => Math.min(a, b));
        const size = parts.map(([a, b, toEnd]) => (toEnd ? -1 : Math.abs(a - b) + 1));
        return opCase([x], { begin, size });
      }),
  ),
  ConcatV2: shapes({ minRank: 1, maxRank: 3 }).chain((shape) =>
    fc
      .tuple(
        fc.nat(shape.length - 1),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
      )
      .chain(([axis, dims]) =>
        fc
          .tuple(...dims.map((dim) => floatTensors(shape.with(axis, dim))))
          .map((values) => opCase(values, { axis })),
      ),
  ),
  Split: shapes({ minRank: 1, maxRank: 3 }).chain((shape) =>
    fc
      .tuple(fc.nat(shape.length - 1), fc.integer({ min: 1, max: 3 }))
      .chain(([axis, num_split]) =>
        floatTensors(shape.with(axis, (shape[axis] ?? 1) * num_split)).map((x) =>
          opCase([x], { axis, num_split }),
        ),
      ),
  ),
  BroadcastTo: shapes({ maxRank: 3 }).chain((shape) =>
    fc
      .tuple(
        fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length }),
        fc.nat(shape.length),
      )
      .chain(([ones, drop]) =>
        floatTensors(shape.map((dim, i) => (ones[i] === true ? 1 : dim)).slice(drop)).map((x) =>
          opCase([x, vector(shape)], {}, { constants: [1] }),
        ),
      ),
  ),
} satisfies GeneratorTable;
