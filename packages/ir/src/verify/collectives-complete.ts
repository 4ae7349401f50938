import type { Node, NodeId } from '../graph.js';
import { formatType } from '../shape.js';
import type { NumberedEdges } from '../traverse.js';
import {
  type Invariant,
  nodeViolation,
  shown,
  shownNode,
  type VerifyContext,
  type Violation,
} from './invariant.js';

const NAME = 'collectives-complete';
const OP = 'NcclAllReduce';

/** Each collective has all its members, alike, on devices of their own, in the same rounds, and none waits for itself. */
export const collectivesComplete: Invariant = {
  name: NAME,
  summary: 'each collective has all its members, alike, in the same rounds, in one order on all devices',
  from: 'established',
  needs: ['edges-exist', 'acyclic'],
  check: (context) => {
    const groups = collectives(context);
    if (groups.size === 0) return [];
    const faults = [...groups].flatMap(([name, members]) => [
      ...memberFaults(name, members),
      ...roundFaults(context, name, members),
    ]);
    return faults.length > 0 ? faults : orderFaults(context, groups);
  },
};

type Groups = ReadonlyMap<string, readonly Node[]>;

function collectives({ module }: VerifyContext): Groups {
  const groups = new Map<string, Node[]>();
  for (const node of module.graph.nodes.values()) {
    if (node.op !== OP) continue;
    const name = sharedName(node);
    const members = groups.get(name);
    if (members === undefined) groups.set(name, [node]);
    else members.push(node);
  }
  return groups;
}

function sharedName({ attrs }: Node): string {
  const attr = attrs.get('shared_name');
  return attr?.kind === 'string' ? attr.value : '';
}

const countOf = ({ attrs }: Node): number => {
  const attr = attrs.get('num_devices');
  return attr?.kind === 'int' ? attr.value : 0;
};

function memberFaults(name: string, members: readonly Node[]): Violation[] {
  const [first] = members;
  if (first === undefined) return [];
  const out: Violation[] = [];
  const count = countOf(first);
  const report = (node: Node, what: string, hint: string): void => {
    out.push(nodeViolation(NAME, node, `the collective ${shown(name)} ${what}`, hint));
  };
  if (members.length !== count) {
    const hint = 'every tower takes part: add the missing ones, or correct num_devices';
    report(first, `has ${members.length} of ${count} members: ${members.map(shownNode).join(', ')}`, hint);
  }
  const onDevice = new Map<string, Node>();
  for (const member of members) {
    const other = onDevice.get(member.device);
    onDevice.set(member.device, member);
    if (other !== undefined) {
      const what = `has two members on ${member.device}: ${shownNode(other)} and ${shownNode(member)}`;
      report(member, what, 'members stand on devices of their own');
    }
    if (likeness(member) !== likeness(first)) {
      const what = `has unlike members: ${shownNode(first)} is ${likeness(first)}, ${shownNode(member)} ${likeness(member)}`;
      report(member, what, 'members share reduction, num_devices, type and shape');
    }
  }
  return out;
}

/** What members must share. */
function likeness(node: Node): string {
  const reduction = node.attrs.get('reduction');
  const kind = reduction?.kind === 'string' ? reduction.value : '?';
  return `${kind} over ${countOf(node)} of ${node.outputs.map(formatType).join(', ')}`;
}

function roundFaults(context: VerifyContext, name: string, members: readonly Node[]): Violation[] {
  const [first] = members;
  if (first === undefined) return [];
  return context.rounds().flatMap(({ label, nodes }) => {
    const missing = members.filter(({ id }) => !nodes.has(id));
    if (missing.length === 0 || missing.length === members.length) return [];
    const what = `in ${label}, the collective ${shown(name)} would wait for ever for ${missing.map(shownNode).join(', ')}`;
    return [nodeViolation(NAME, missing[0] ?? first, what, 'make all its members targets, or none')];
  });
}

/**
 * A collective ends when all its members have begun. So with the members of each seen as one node, the graph must stay
 * free of cycles: a cycle is two devices that take two collectives in different orders, and both wait.
 */
function orderFaults({ edges }: VerifyContext, groups: Groups): Violation[] {
  const stuck = stuckCollectives(edges(), groups);
  const [first] = stuck.flatMap((name) => groups.get(name)?.slice(0, 1) ?? []);
  if (first === undefined) return [];
  const what =
    stuck.length === 1
      ? `one member of the collective ${shown(stuck[0] ?? '')} waits for another`
      : `the collectives ${stuck.map(shown).join(', ')} wait for each other: their order differs between devices`;
  return [nodeViolation(NAME, first, what, 'order them by control edges in the same way on every device')];
}

/** Runs the graph without its values, each collective once all its members are ready; gives those that stay half ready. */
function stuckCollectives({ nodes, starts, next, incoming }: NumberedEdges, groups: Groups): string[] {
  const open = incoming.slice();
  const numbers = new Map<NodeId, number>();
  const groupOf = new Map<number, string>();
  nodes.forEach((node, i) => {
    if (node.op !== OP) return;
    numbers.set(node.id, i);
    groupOf.set(i, sharedName(node));
  });
  const arrived = new Map<string, number>();
  const ready: number[] = [];
  open.forEach((count, i) => {
    if (count === 0) ready.push(i);
  });
  const finish = (i: number): void => {
    const end = starts[i + 1] ?? 0;
    for (let edge = starts[i] ?? 0; edge < end; edge++) {
      const after = next[edge] ?? 0;
      const left = (open[after] ?? 0) - 1;
      open[after] = left;
      if (left === 0) ready.push(after);
    }
  };
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    const name = groupOf.get(i);
    if (name === undefined) {
      finish(i);
      continue;
    }
    const members = groups.get(name) ?? [];
    const count = (arrived.get(name) ?? 0) + 1;
    arrived.set(name, count);
    if (count === members.length) for (const { id } of members) finish(numbers.get(id) ?? i);
  }
  return [...arrived]
    .filter(([name, count]) => count < (groups.get(name)?.length ?? 0))
    .map(([name]) => name);
}
