import type { AttrInput, BuiltinOp, TensorValue } from '@placewright/ir';
import fc from 'fast-check';
import { broadcastPairs, shapes } from '../shape.js';
import { floatTensors, intTensors } from '../tensor.js';

/** An input that another op makes of the case's inputs (given by index): the output of a pool for its gradient. */
export interface DerivedInput {
  readonly op: BuiltinOp;
  readonly inputs: readonly (TensorValue | number)[];
  readonly attrs: AttrInput;
  readonly port: number;
}

/** One op with inputs and attributes that are legal for it. */
export interface OpCase {
  readonly op: BuiltinOp;
  readonly inputs: readonly (TensorValue | DerivedInput)[];
  readonly attrs: AttrInput;
  /** Inputs that are constants of the graph and not fed: shapes. */
  readonly constants: readonly number[];
  /** Initial values of the variables that the op acts on. */
  readonly variables: readonly TensorValue[];
  /** Whether the first dimension of what is fed is unknown to the compiler. */
  readonly dynamic: boolean;
}

/** An op that no case is made of, with the reason. */
export interface Untested {
  readonly untested: string;
}

export type OpGenerator = fc.Arbitrary<Omit<OpCase, 'op'>>;
/** Some of the ops; the tables together are checked against the registry in `op.ts`. */
export type GeneratorTable = { readonly [K in BuiltinOp]?: OpGenerator | Untested };

/** A case of the given inputs and attributes; everything else as it mostly is. */
export function opCase(
  inputs: readonly (TensorValue | DerivedInput)[],
  attrs: AttrInput = {},
  more: Partial<Omit<OpCase, 'op' | 'inputs' | 'attrs'>> = {},
): Omit<OpCase, 'op'> {
  return { inputs, attrs, constants: [], variables: [], dynamic: false, ...more };
}

export type Range = readonly [number, number];

/** One float tensor. */
export function unary(range: Range = [-2, 2], attrs: AttrInput = {}): OpGenerator {
  return fc
    .tuple(
      shapes().chain((shape) => floatTensors(shape, range)),
      fc.boolean(),
    )
    .map(([x, dynamic]) => opCase([x], attrs, { dynamic }));
}

/** Two tensors that broadcast: floats in the ranges, or small integers. */
export function binary(left: Range = [-2, 2], right: Range = left): OpGenerator {
  return broadcastPairs().chain(([a, b]) => {
    const floats = fc.tuple(floatTensors(a, left), floatTensors(b, right));
    const ints = fc.tuple(intTensors('int32', a, [-5, 5]), intTensors('int32', b, [-5, 5]));
    return fc
      .oneof({ weight: 3, arbitrary: floats }, { weight: 1, arbitrary: ints })
      .map((pair) => opCase(pair));
  });
}

/** As `binary`, of floats alone. */
export function floatBinary(left: Range, right: Range): OpGenerator {
  return broadcastPairs().chain(([a, b]) =>
    fc.tuple(floatTensors(a, left), floatTensors(b, right)).map((pair) => opCase(pair)),
  );
}

/** A constant int32 vector. */
export function vector(values: readonly number[]): TensorValue {
  return { dtype: 'int32', shape: [values.length], data: Int32Array.from(values) };
}

export function empty(): TensorValue {
  return { dtype: 'float32', shape: [0], data: new Float32Array(0) };
}
