import { getAttr, type Node, PlacewrightError, scalar } from '@placewright/ir';
import { entry, textAttr, typeAttr } from '../attr.js';
import { OP_MARK, SHARED_MARK } from '../marks.js';
import { addValue, typeOf } from './constants.js';
import { addMain, tensorText, type Writing } from './writing.js';

/** What the members of a collective must agree on, as TensorFlow wants it: numbers instead of a name. */
interface Keys {
  /** The same for all collectives over the same devices. */
  readonly group: number;
  readonly instance: number;
}

const keysOf = new WeakMap<Writing, ReadonlyMap<string, Keys>>();

/** Writes a member of an all-reduce as `CollectiveReduceV2`, which any device has. */
export function writeCollective(writing: Writing, node: Node): void {
  const [input] = node.inputs;
  if (input === undefined) throw new PlacewrightError('PW_OP_ARITY', `${node.op} takes a tensor`);
  const shared = getAttr(node, 'shared_name', 'string');
  const { group, instance } = keys(writing).get(shared) ?? { group: 0, instance: 0 };
  const number = (suffix: string, value: number): string =>
    addValue(writing, node, suffix, scalar('int32', value));
  const inputs = [
    tensorText(writing, input),
    number('group_size', getAttr(node, 'num_devices', 'int')),
    number('group_key', group),
    number('instance_key', instance),
  ];
  const attrs = [
    entry('T', typeAttr(typeOf(writing, node, { input: 0 }))),
    entry('merge_op', textAttr('Add')),
    entry('final_op', textAttr('Id')),
    entry(OP_MARK, textAttr(node.op)),
    entry(SHARED_MARK, textAttr(shared)),
  ];
  addMain(writing, node, { op: 'CollectiveReduceV2', inputs, attrs });
}

/** Keys by shared name. They follow from names alone, so that tasks that are written apart agree. */
function keys(writing: Writing): ReadonlyMap<string, Keys> {
  const known = keysOf.get(writing);
  if (known !== undefined) return known;
  const devices = new Map<string, Set<string>>();
  for (const node of writing.module.graph.nodes.values()) {
    if (node.op !== 'NcclAllReduce') continue;
    const shared = getAttr(node, 'shared_name', 'string');
    const members = devices.get(shared) ?? new Set();
    devices.set(shared, members.add(node.device));
  }
  const taken = new Map<number, string>();
  const found = new Map<string, Keys>();
  for (const [shared, members] of devices) {
    const instance = hash31(shared + writing.salt);
    const other = taken.get(instance);
    if (other !== undefined) throw collision(other, shared);
    taken.set(instance, shared);
    found.set(shared, { group: hash31([...members, writing.salt].sort().join('\n')), instance });
  }
  keysOf.set(writing, found);
  return found;
}

function collision(a: string, b: string): PlacewrightError {
  return new PlacewrightError(
    'PW_GRAPHDEF_COLLECTIVE',
    `the all-reduces ${JSON.stringify(a)} and ${JSON.stringify(b)} get the same number`,
    { hint: 'rename one of the two, or write them as NCCL ops' },
  );
}

/** FNV-1a (Fowler, Noll and Vo) of the UTF-16 units, as a positive int32. */
function hash31(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 1) | 1;
}
