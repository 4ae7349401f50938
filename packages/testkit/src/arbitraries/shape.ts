import type { Shape } from '@placewright/ir';
import fc from 'fast-check';

export interface ShapeBounds {
  readonly minRank?: number;
  readonly maxRank?: number;
  readonly minDim?: number;
  readonly maxDim?: number;
}

/** Fully known shapes; by default of rank 0 to 4 with dimensions 1 to 5. */
export function shapes(bounds: ShapeBounds = {}): fc.Arbitrary<number[]> {
  const { minRank = 0, maxRank = 4, minDim = 1, maxDim = 5 } = bounds;
  return fc.array(fc.integer({ min: minDim, max: maxDim }), { minLength: minRank, maxLength: maxRank });
}

/** Shapes some of whose dimensions are not known before the run. */
export function partialShapes(bounds: ShapeBounds = {}): fc.Arbitrary<Shape> {
  return shapes(bounds).chain((shape) =>
    fc
      .array(fc.boolean(), { minLength: shape.length, maxLength: shape.length })
      .map((unknown) => shape.map((dim, i) => (unknown[i] === true ? null : dim))),
  );
}

/** Two shapes that broadcast: dimensions of one are dropped from the left or set to 1, of one operand or the other. */
export function broadcastPairs(bounds: ShapeBounds = {}): fc.Arbitrary<[number[], number[]]> {
  return shapes(bounds).chain((shape) => {
    const ones = fc.array(fc.constantFrom('both', 'both', 'left', 'right'), {
      minLength: shape.length,
      maxLength: shape.length,
    });
    return fc
      .tuple(ones, fc.integer({ min: 0, max: shape.length }), fc.boolean())
      .map(([keep, drop, swap]) => {
        const a = shape.map((dim, i) => (keep[i] === 'right' ? 1 : dim));
        const b = shape.map((dim, i) => (keep[i] === 'left' ? 1 : dim)).slice(drop);
        return swap ? [b, a] : [a, b];
      });
  });
}
