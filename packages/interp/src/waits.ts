import {
  isBuffer,
  type Node,
  nodeName,
  PlacewrightError,
  resourceName,
  takesFromBuffer,
  tuplesTaken,
} from '@placewright/ir';
import { type Item, itemNode, type Machine } from './machine.js';
import type { Group } from './plan.js';
import { resourceOf } from './state.js';

const SHOWN = 8;

/** What a node waits for. */
export interface WaitReason {
  readonly node: string;
  readonly text: string;
}

/** That nothing can run, with what each run waits for; `waiters` are the ops that wait for a buffer. */
export function deadlock(machine: Machine, waiters: readonly Item[]): PlacewrightError {
  const reasons = reasonsOf(machine, waiters);
  const [first] = reasons;
  const shown = reasons.slice(0, SHOWN).map(({ text }) => text);
  if (reasons.length > SHOWN) shown.push(`and ${reasons.length - SHOWN} more wait`);
  return new PlacewrightError('PW_DEADLOCK', `no node can run: ${shown.join('; ')}`, {
    where: first === undefined ? {} : { node: first.node },
    hint: 'run warmUp before step to fill the staging areas, and check that each collective has all its members',
  });
}

/** What each run waits for, one reason of each run first, so that a short list names all runs. */
export function reasonsOf(machine: Machine, waiters: readonly Item[]): WaitReason[] {
  const byFlight = [...machine.flights].map((flight) => {
    const own = waiters.filter((item) => item.flight === flight);
    const at = [...machine.arrivals.values()].flat().filter((item) => item.flight === flight);
    const groups = [...flight.arrived.keys()].map((group) =>
      groupReason(
        group,
        group.members.filter((member) => flight.waiting[member] === 0),
        (member) => flight.plan.nodes[member] as Node,
      ),
    );
    const reasons = [
      ...own.map((item) => bufferReason(machine, item)),
      ...at.map((item) => barrierReason(machine, item)),
      ...groups,
    ];
    const { who, entry } = flight.job;
    return who === ''
      ? reasons
      : reasons.map(({ node, text }) => ({ node, text: `${who} (${entry}): ${text}` }));
  });
  const longest = Math.max(0, ...byFlight.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => byFlight.flatMap((list) => list[i] ?? [])).flat();
}

function bufferReason({ module, state }: Machine, item: Item): WaitReason {
  const node = itemNode(item);
  const area = resourceOf(module, node.resources[0] ?? 'r0');
  const depth = state.areas.get(area.id)?.length ?? 0;
  const room = isBuffer(area) ? area.capacity : 0;
  const wanted = tuplesTaken(node);
  const values = wanted === 1 ? 'a value' : `${wanted} values`;
  const what = `${takesFromBuffer(node.op) ? `${values} in` : 'room in'} ${JSON.stringify(resourceName(area))}`;
  const name = nodeName(node);
  return { node: name, text: `${name} waits for ${what} (holds ${depth}, room for ${room})` };
}

function barrierReason({ arrivals }: Machine, { flight, index }: Item): WaitReason {
  const group = flight.plan.groups.get(index) as Group;
  const there = arrivals.get(group.barrier ?? 'r0')?.length ?? 0;
  const name = nodeName(flight.plan.nodes[index] as Node);
  const count = `${there} of ${group.wanted} are there`;
  return {
    node: name,
    text: `${name} waits for the other parties of ${JSON.stringify(group.name)} (${count})`,
  };
}

function groupReason(group: Group, there: readonly number[], nodeAt: (member: number) => Node): WaitReason {
  const names = there.map((member) => nodeName(nodeAt(member))).slice(0, SHOWN);
  const count = `${there.length} of ${group.wanted} are there, the entry runs ${group.members.length}`;
  const text = `${names.join(', ')} waits for the other members of ${JSON.stringify(group.name)} (${count})`;
  return { node: names[0] ?? '', text };
}
