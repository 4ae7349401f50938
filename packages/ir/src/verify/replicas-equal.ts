import type { Node } from '../graph.js';
import {
  type Invariant,
  resourceViolation,
  shownNode,
  shownResource,
  type VerifyContext,
  type Violation,
} from './invariant.js';
import { accessesByVariable, type Copy, copiesOf, type PlacedAccess } from './replicas/copies.js';
import { createEquality, type Equality } from './replicas/equal.js';

const NAME = 'replicas-equal';

/**
 * All towers' copies of a variable are equal after every step: they are when training begins, and what a step writes
 * into each of them is the same, as long as they were equal before. Values are the same by how they are computed: the
 * same ops on the same inputs, where members of one collective, and reads of copies, give the same.
 */
export const replicasEqual: Invariant = {
  name: NAME,
  summary: "all towers' copies of a trainable variable and of its slots are equal after every step",
  from: 'promised',
  needs: ['edges-exist', 'acyclic', 'types-match', 'no-race', 'no-race-across-tasks', 'staging-filled'],
  check: (context) => {
    const accesses = accessesByVariable(context);
    const all = copiesOf(context, accesses);
    const equality = createEquality(context, all, accesses);
    return all.flatMap(([first, ...others]) =>
      others.flatMap((copy) => faults(context, equality, first, copy)),
    );
  },
};

function faults(context: VerifyContext, equality: Equality, first: Copy, copy: Copy): Violation[] {
  const start = startDiffers(context, equality, first, copy);
  const step = writesDiffer(equality.inStep, stepWrites(first), stepWrites(copy));
  return [
    ...(start === null ? [] : [fault(first, copy, `do not start equal: ${start}`, START)]),
    ...(step === null ? [] : [fault(first, copy, `do not stay equal: ${step}`, STEP)]),
  ];
}

const START = 'copy tower 0 to it in postInit, or give both the same initial value';
const STEP = 'update all copies with the same op, constants and aggregated gradient';

function fault(first: Copy, copy: Copy, what: string, hint: string): Violation {
  const both = `${shownResource(first.variable)} and ${shownResource(copy.variable)}`;
  return resourceViolation(NAME, copy.variable, `${both} ${what}`, hint);
}

const isWrite = ({ effect }: PlacedAccess): boolean => effect === 'write';

function stepWrites({ accesses }: Copy): Node[] {
  return accesses.filter((access) => access.inStep && isWrite(access)).map(({ node }) => node);
}

function writesDiffer(
  differ: Equality['inStep'],
  mine: readonly Node[],
  others: readonly Node[],
): string | null {
  if (mine.length !== others.length) return `${writers(mine)} one, ${writers(others)} the other`;
  for (const [i, node] of mine.entries()) {
    const other = others[i];
    const why = other === undefined ? null : differ(node, other);
    if (why !== null) return why;
  }
  return null;
}

const writers = (nodes: readonly Node[]): string =>
  nodes.length === 0
    ? 'nothing writes'
    : `${nodes.map(shownNode).join(', ')} write${nodes.length === 1 ? 's' : ''}`;

/** Where nothing is initialised, a caller sets all variables, and sets them equal. */
function startDiffers(context: VerifyContext, equality: Equality, first: Copy, copy: Copy): string | null {
  if (context.tasks()[copy.task]?.entries.init === undefined) return null;
  const [mine, others] = [startWrites(first), startWrites(copy)];
  const [only] = others;
  if (only !== undefined && others.length === 1 && isCopyOf(context, only.node, first)) return null;
  return writesDiffer(
    equality.before,
    mine.map(({ node }) => node),
    others.map(({ node }) => node),
  );
}

/** What is written before the first step, from the last time on that the whole value was. */
function startWrites({ accesses }: Copy): PlacedAccess[] {
  const writes = accesses.filter((access) => !access.inStep && isWrite(access));
  const last = writes.findLastIndex(({ node }) => node.op === 'AssignVariableOp');
  return writes.slice(Math.max(0, last));
}

/** Whether a node assigns what the first copy has when all that comes before the first step has been written. */
function isCopyOf({ module, position }: VerifyContext, node: Node, first: Copy): boolean {
  let source = module.graph.nodes.get(node.inputs[0]?.node ?? 'n0');
  while (source?.op === 'Identity' || source?.op === 'Transfer')
    source = module.graph.nodes.get(source.inputs[0]?.node ?? 'n0');
  const read = first.accesses.find(
    (access) => !access.inStep && access.node === source && access.task === first.task,
  );
  if (node.op !== 'AssignVariableOp' || source?.op !== 'ReadVariableOp' || read === undefined) return false;
  const place = (access: PlacedAccess): number => position().get(access.node.id) ?? 0;
  return startWrites(first).every(
    (write) => write.round < read.round || (write.round === read.round && place(write) < place(read)),
  );
}
