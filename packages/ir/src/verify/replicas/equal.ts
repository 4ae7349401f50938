import type { Attr, Attrs } from '../../attr.js';
import type { Node, NodeId, ResourceId, TensorRef } from '../../graph.js';
import { sameShape } from '../../shape.js';
import { shownNode, type VerifyContext } from '../invariant.js';
import type { Copies, PlacedAccess } from './copies.js';
import { type Version, versionOf } from './versions.js';

/** Two tensors that are to have the same value. */
type Pair = readonly [TensorRef, TensorRef];

/** Why two writes do not put the same value into copies of the same variable; null where they do. */
type WritesDiffer = (a: Node, b: Node) => string | null;

export interface Equality {
  /** In a step, as long as all copies have been equal up to it. */
  readonly inStep: WritesDiffer;
  /** Before the first step, where copies need not be equal yet. */
  readonly before: WritesDiffer;
}

/** What equality is looked for in. */
interface Frame {
  readonly context: VerifyContext;
  /** For each copy of a variable a text that all copies of it have. */
  readonly classes: ReadonlyMap<ResourceId, string>;
  /** Whether copies are taken to be equal where they are read. */
  readonly areEqual: boolean;
  readonly accesses: ReadonlyMap<ResourceId, readonly PlacedAccess[]>;
  readonly collectives: ReadonlyMap<string, readonly Node[]>;
  /** What has been found of reads. */
  readonly versions: Map<NodeId, Version | null>;
}

export function createEquality(
  context: VerifyContext,
  all: readonly Copies[],
  accesses: ReadonlyMap<ResourceId, readonly PlacedAccess[]>,
): Equality {
  const classes = new Map(
    all.flatMap(([first, ...others]) =>
      [first, ...others].map(({ variable }) => [variable.id, first.variable.id] as const),
    ),
  );
  const [collectives, versions] = [collectivesIn(context), new Map<NodeId, Version | null>()];
  const differ = (areEqual: boolean): WritesDiffer => {
    const frame: Frame = { context, classes, areEqual, accesses, collectives, versions };
    const known = new Set<string>();
    return (a, b) => writesDiffer(frame, known, a, b);
  };
  return { inStep: differ(true), before: differ(false) };
}

function collectivesIn({ module }: VerifyContext): Map<string, Node[]> {
  const out = new Map<string, Node[]>();
  for (const node of module.graph.nodes.values()) {
    if (node.op !== 'NcclAllReduce') continue;
    const name = collectiveName(node);
    const members = out.get(name);
    if (members === undefined) out.set(name, [node]);
    else members.push(node);
  }
  for (const members of out.values()) members.sort((a, b) => (a.replica ?? 0) - (b.replica ?? 0));
  return out;
}

function collectiveName({ attrs }: Node): string {
  const name = attrs.get('shared_name');
  return name?.kind === 'string' ? name.value : '';
}

function writesDiffer(frame: Frame, known: Set<string>, a: Node, b: Node): string | null {
  const pairs: Pair[] = [];
  const apart = alikeDiffer(frame, a, b, pairs);
  if (apart !== null) return apart;
  // What is equal once need not be shown again; what is asked for now is added as it is found.
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [x, y] = pair.map((ref) => passed(frame.context, ref)) as [TensorRef, TensorRef];
    const key = `${x.node}:${x.port} ${y.node}:${y.port}`;
    if (known.has(key)) continue;
    known.add(key);
    const why = tensorsDiffer(frame, x, y, pairs);
    if (why !== null) {
      known.clear();
      return why;
    }
  }
  return null;
}

/** The tensor behind copies of it. */
function passed({ module }: VerifyContext, ref: TensorRef): TensorRef {
  let at = ref;
  for (;;) {
    const node = module.graph.nodes.get(at.node);
    const [input] = node?.inputs ?? [];
    if (input === undefined || (node?.op !== 'Identity' && node?.op !== 'Transfer')) return at;
    at = input;
  }
}

/** Why two tensors are not equal; null where they are if the pairs that are added are. */
function tensorsDiffer(frame: Frame, x: TensorRef, y: TensorRef, pairs: Pair[]): string | null {
  const { nodes } = frame.context.module.graph;
  const [a, b] = [nodes.get(x.node), nodes.get(y.node)];
  if (a === undefined || b === undefined) return 'there is no such node';
  if (a === b && (x.port === y.port || a.op === 'AllReduce')) return null;
  if (x.port !== y.port) return `${shownNode(a)} and ${shownNode(b)} are other outputs`;
  switch (a.op) {
    case 'NcclAllReduce':
      return membersDiffer(frame, a, b, pairs);
    case 'ReadVariableOp':
      return readsDiffer(frame, a, b);
    case 'Unstage':
      return areasDiffer(frame, a, b, pairs);
    default:
      if (frame.context.decl(a)?.effect.kind !== 'pure')
        return `${shownNode(a)} and ${shownNode(b)} may differ`;
      return alikeDiffer(frame, a, b, pairs);
  }
}

/** Same op, same attributes, same resources up to copies, same inputs. */
function alikeDiffer({ classes }: Frame, a: Node, b: Node, pairs: Pair[]): string | null {
  const both = `${shownNode(a)} and ${shownNode(b)}`;
  if (a.op !== b.op || a.inputs.length !== b.inputs.length) return `${both} are ${a.op} and ${b.op}`;
  const attr = unlikeAttr(a.attrs, b.attrs);
  if (attr !== null) return `${both} differ in ${attr}`;
  const classOf = (id: ResourceId): string => classes.get(id) ?? id;
  if (a.resources.map(classOf).join() !== b.resources.map(classOf).join())
    return `${both} act on different variables`;
  a.inputs.forEach((input, i) => {
    const other = b.inputs[i];
    if (other !== undefined) pairs.push([input, other]);
  });
  return null;
}

/** Members of one collective give the same; those of two do where what goes into them is the same. */
function membersDiffer({ collectives }: Frame, a: Node, b: Node, pairs: Pair[]): string | null {
  const [name, other] = [collectiveName(a), collectiveName(b)];
  if (b.op === a.op && name === other) return null;
  const [members, others] = [collectives.get(name) ?? [], collectives.get(other) ?? []];
  if (b.op !== a.op || members.length !== others.length)
    return `${shownNode(a)} and ${shownNode(b)} are of different collectives`;
  members.forEach((member, i) => {
    const [mine, theirs] = [member.inputs[0], others[i]?.inputs[0]];
    if (mine !== undefined && theirs !== undefined) pairs.push([mine, theirs]);
  });
  return null;
}

function readsDiffer(frame: Frame, a: Node, b: Node): string | null {
  const [x, y] = [a.resources[0] ?? 'r0', b.resources[0] ?? 'r0'];
  const both = `${shownNode(a)} and ${shownNode(b)}`;
  const copies = frame.areEqual ? frame.classes.get(x) : undefined;
  if (b.op !== a.op || (x !== y && (copies === undefined || copies !== frame.classes.get(y))))
    return `${both} read different variables`;
  const [seen, also] = [versionAt(frame, a), versionAt(frame, b)];
  if (seen === null || also === null) return `what ${both} see of updates depends on the schedule`;
  // Of two copies each has writes of its own: they are shown to be equal in turn, so that counts are enough.
  const same = x === y ? seen.all === also.all : seen.inStep === also.inStep;
  return same ? null : `${both} see different updates`;
}

function versionAt({ context, accesses, versions }: Frame, node: Node): Version | null {
  const known = versions.get(node.id);
  if (known !== undefined) return known;
  const all = accesses.get(node.resources[0] ?? 'r0') ?? [];
  const reads = all.filter((access) => access.node === node);
  // A node that several rounds run is looked at in the step, where it has to be equal again and again.
  const read = reads.find(({ inStep }) => inStep) ?? reads[0];
  const version = read === undefined ? null : versionOf(context, all, read);
  versions.set(node.id, version);
  return version;
}

/** What was put into two areas, step by step and before the first one, must be the same. */
function areasDiffer({ context }: Frame, a: Node, b: Node, pairs: Pair[]): string | null {
  const [mine, theirs] = [a, b].map((node) => putsInto(context, node.resources[0])) as [Node[], Node[]];
  const both = `${shownNode(a)} and ${shownNode(b)}`;
  if (b.op !== a.op || mine.length !== theirs.length) return `${both} get what was put in different ways`;
  const rounds = (puts: readonly Node[]): string =>
    puts
      .map(({ id }) =>
        context
          .rounds()
          .flatMap(({ entry, nodes }) => (nodes.has(id) ? [entry] : []))
          .join(),
      )
      .join(' ');
  if (rounds(mine) !== rounds(theirs)) return `${both} get what was put in different rounds`;
  mine.forEach((put, i) => {
    put.inputs.forEach((input, k) => {
      const other = theirs[i]?.inputs[k];
      if (other !== undefined) pairs.push([input, other]);
    });
  });
  return null;
}

function putsInto(context: VerifyContext, area: ResourceId | undefined): Node[] {
  return context
    .accesses()
    .filter(({ resource, effect }) => resource.id === area && effect === 'put')
    .map(({ node }) => node);
}

/** The name of an attribute in which two nodes differ. */
function unlikeAttr(a: Attrs, b: Attrs): string | null {
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [mine, theirs] = [a.get(name), b.get(name)];
    if (mine === undefined || theirs === undefined || !sameAttr(mine, theirs)) return name;
  }
  return null;
}

function sameAttr(a: Attr, b: Attr): boolean {
  if (a.kind === 'tensor' && b.kind === 'tensor') {
    const [x, y] = [a.value, b.value];
    return (
      x.dtype === y.dtype &&
      sameShape(x.shape, y.shape) &&
      x.data.every((element: unknown, i: number) => Object.is(element, y.data[i]))
    );
  }
  return a.kind === b.kind && JSON.stringify(a.value) === JSON.stringify(b.value);
}
