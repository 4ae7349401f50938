import { type Invariant, resourceViolation, shownResource, type Violation } from './invariant.js';
import { allInSequence } from './net/build.js';
import { namesAt } from './net/names.js';
import type { NetBarrier, NetBuffer, SyncNet } from './net/net.js';

const NAME = 'no-choice';

/**
 * No schedule decides who takes a tuple from a buffer, or who meets whom at a barrier. So no node takes away what another
 * one waits for, and how far all can come is the same in all schedules: the proofs of order rest on that.
 */
export const noChoice: Invariant = {
  name: NAME,
  summary: 'no schedule decides who takes what from a queue, or who goes on with whom at a barrier',
  from: 'established',
  needs: ['edges-exist', 'acyclic', 'types-match', 'resources-well-formed'],
  check: (context) => {
    const net = context.net();
    return [
      ...net.buffers.flatMap((buffer) => takerFaults(net, buffer)),
      ...net.barriers.flatMap((barrier) => partyFaults(net, barrier)),
    ];
  },
};

/** Several takers, of which the schedule decides who gets what. */
function takerFaults(net: SyncNet, { resource, gets }: NetBuffer): Violation[] {
  if (allInSequence(net, gets)) return [];
  const names = namesAt(net, gets);
  const what = `${names.join(', ')} take from ${shownResource(resource)} in no order: the schedule decides who gets what`;
  return [resourceViolation(NAME, resource, what, 'give each taker a queue of its own, or order them')];
}

/** More that come to a barrier than it waits for: who goes on with whom is a matter of the schedule. */
function partyFaults(net: SyncNet, { resource, meets }: NetBarrier): Violation[] {
  const tasks = new Set(meets.map(({ task }) => task));
  const inOrder = [...tasks].every((task) =>
    allInSequence(
      net,
      meets.filter((place) => place.task === task),
    ),
  );
  // One party waits for nobody.
  if (resource.parties <= 1 || (inOrder && tasks.size <= resource.parties)) return [];
  const what = `${namesAt(net, meets).join(', ')} come to the barrier ${shownResource(resource)} of ${resource.parties} parties: the schedule decides who goes on with whom`;
  return [resourceViolation(NAME, resource, what, 'let every party come once, and count all of them')];
}
