import { type BuiltinOp, PlacewrightError } from '@placewright/ir';
import fc from 'fast-check';
import { arrayCases, layoutCases } from './ops/array.js';
import type { OpCase, OpGenerator, Untested } from './ops/case.js';
import { mathCases } from './ops/math.js';
import { convCases, nnCases, normCases, poolCases } from './ops/nn.js';
import { communicationCases, randomCases, stagingCases, stateCases } from './ops/state.js';

/**
 * For every built-in op, cases of it, or why there are none. An op of the registry that is in none of the tables is a
 * compile error here.
 */
export const OP_GENERATORS = {
  ...arrayCases,
  ...layoutCases,
  ...mathCases,
  ...nnCases,
  ...convCases,
  ...poolCases,
  ...normCases,
  ...randomCases,
  ...stateCases,
  ...stagingCases,
  ...communicationCases,
} satisfies Record<BuiltinOp, OpGenerator | Untested>;

const entries = Object.entries(OP_GENERATORS) as [BuiltinOp, OpGenerator | Untested][];
const isUntested = (entry: OpGenerator | Untested): entry is Untested => 'untested' in entry;

/** Ops with cases, in the order of the registry's files. */
export const TESTED_OPS: readonly BuiltinOp[] = entries.flatMap(([op, entry]) =>
  isUntested(entry) ? [] : [op],
);

/** Ops without cases, and why. */
export const UNTESTED_OPS: ReadonlyMap<BuiltinOp, string> = new Map(
  entries.flatMap(([op, entry]) => (isUntested(entry) ? [[op, entry.untested] as const] : [])),
);

/** Cases of one op. Throws PW_OP_UNTESTED for one that has none. */
export function opCases(op: BuiltinOp): fc.Arbitrary<OpCase> {
  const entry: OpGenerator | Untested = OP_GENERATORS[op];
  if (isUntested(entry))
    throw new PlacewrightError('PW_OP_UNTESTED', `op ${op} has no cases: ${entry.untested}`);
  return entry.map((body) => ({ op, ...body }));
}

/** Cases of all ops. */
export function anyOpCases(): fc.Arbitrary<OpCase> {
  return fc.constantFrom(...TESTED_OPS).chain(opCases);
}
