import type { Node } from '../graph.js';

/**
 * Ops that change a variable by what it holds, all in one. Of several workers each is applied whole, in order of
 * arrival, which is what strategies promise of the updates of shared variables; an op that is not among these, such as
 * one of a user's own, is taken to put a value in the place of the old one.
 */
const UPDATES: ReadonlySet<string> = new Set([
  'AssignAddVariableOp',
  'AssignSubVariableOp',
  'ResourceApplyGradientDescent',
  'ResourceApplyMomentum',
  'ResourceApplyRMSProp',
]);

export function isUpdate({ op }: Node): boolean {
  return UPDATES.has(op);
}
