import fc from 'fast-check';
import { broadcastPairs, shapes } from '../shape.js';
import { floatTensors, intTensors } from '../tensor.js';
import { binary, floatBinary, type GeneratorTable, type OpGenerator, opCase, unary } from './case.js';

const side = fc.integer({ min: 1, max: 5 });

/** A reduction over some axes, none of them at times. */
function reduction(): OpGenerator {
  return shapes()
    .chain((shape) => floatTensors(shape))
    .chain((x) =>
      fc
        .tuple(fc.subarray(x.shape.map((_, i) => i)), fc.boolean())
        .map(([axis, keep_dims]) => opCase([x], { axis, keep_dims })),
    );
}

function matMul(): OpGenerator {
  return fc
    .tuple(side, side, side, fc.boolean(), fc.boolean(), fc.boolean())
    .chain(([m, k, n, transpose_a, transpose_b, dynamic]) =>
      fc
        .tuple(floatTensors(transpose_a ? [k, m] : [m, k]), floatTensors(transpose_b ? [n, k] : [k, n]))
        .map(([a, b]) => opCase([a, b], { transpose_a, transpose_b }, { dynamic: dynamic && !transpose_a })),
    );
}

function select(): OpGenerator {
  return broadcastPairs({ maxRank: 3 }).chain(([a, b]) =>
    fc
      .tuple(fc.constantFrom(a, b), floatTensors(a), floatTensors(b))
      .chain(([c, x, y]) => intTensors('bool', c, [0, 1]).map((condition) => opCase([condition, x, y]))),
  );
}

const scalarNear = (value: number) => fc.integer({ min: -4, max: 4 }).map((n) => value + n / 8);

export const mathCases = {
  AddV2: binary(),
  Sub: binary(),
  Mul: binary(),
  RealDiv: floatBinary([-2, 2], [0.5, 2]),
  Maximum: binary(),
  Minimum: binary(),
  SquaredDifference: binary(),
  Equal: binary(),
  Greater: binary(),
  GreaterEqual: binary(),
  Less: binary(),
  Neg: unary(),
  Exp: unary(),
  Log: unary([0.25, 4]),
  Square: unary(),
  Sqrt: unary([0.25, 4]),
  Rsqrt: unary([0.25, 4]),
  Tanh: unary(),
  Sigmoid: unary(),
  Abs: unary(),
  Floor: unary(),
  AddN: shapes().chain((shape) =>
    fc.array(floatTensors(shape), { minLength: 1, maxLength: 4 }).map((values) => opCase(values)),
  ),
  MatMul: matMul(),
  Sum: reduction(),
  Mean: reduction(),
  Max: reduction(),
  L2Loss: unary(),
  Select: select(),
  ClipByValue: shapes().chain((shape) =>
    fc
      .tuple(
        floatTensors(shape),
        scalarNear(-1).chain((lo) => floatTensors([], [lo, lo])),
        scalarNear(1).chain((hi) => floatTensors([], [hi, hi])),
      )
      .map((inputs) => opCase(inputs)),
  ),
} satisfies GeneratorTable;
