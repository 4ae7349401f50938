import type { VerifyContext } from '../invariant.js';
import type { Instant } from '../net/orders.js';
import type { PlacedAccess } from './copies.js';

/** What a read sees of the writes of a variable. */
export interface Version {
  /** Equal for two reads of the variable that see the same writes. */
  readonly all: string;
  /** Equal for reads of two copies that see as many of the writes of a step. */
  readonly inStep: string;
}

/** What a read sees; null where that is a matter of the schedule. `accesses` are all of the variable. */
export function versionOf(
  context: VerifyContext,
  accesses: readonly PlacedAccess[],
  read: PlacedAccess,
): Version | null {
  const seen = accesses
    .filter(({ effect }) => effect === 'write')
    .map((write) => ({ write, sees: seenBy(context, write, read) }));
  if (seen.some(({ sees }) => sees === null)) return null;
  return {
    all: seen.map(({ write, sees }) => `${write.node.id}:${sees}`).join(),
    inStep: seen.flatMap(({ write, sees }) => (write.inStep ? [sees] : [])).join(),
  };
}

/** `this` where the read sees the write of its own step, `last` where it sees that of the step before. */
function seenBy(context: VerifyContext, write: PlacedAccess, read: PlacedAccess): 'this' | 'last' | null {
  if (write.task === read.task) return ownOrder(context, write, read) ? 'this' : 'last';
  const orders = context.orders();
  const instants = ({ task, round, node }: PlacedAccess): readonly Instant[] =>
    orders.instants(orders.moment(task, round, node));
  const [write1] = instants(write);
  const [read1, read2] = instants(read);
  if (write1 === undefined || read1 === undefined) return null;
  if (orders.isBefore(write1, read1)) return 'this';
  const later = !write.inStep || !read.inStep || (read2 !== undefined && orders.isBefore(write1, read2));
  return later && orders.isBefore(read1, write1) ? 'last' : null;
}

/** Whether a write of the same task comes first; `no-race` has a path between the two. */
function ownOrder(context: VerifyContext, write: PlacedAccess, read: PlacedAccess): boolean {
  if (write.round !== read.round) return write.round < read.round;
  const position = context.position();
  return (position.get(write.node.id) ?? 0) < (position.get(read.node.id) ?? 0);
}
