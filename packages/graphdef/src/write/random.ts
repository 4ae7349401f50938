import { elementCount, getAttr, type Node, PlacewrightError, type TensorRef } from '@placewright/ir';
import { entry, intAttr, list, textAttr, textsAttr, typeAttr } from '../attr.js';
import { attrsText } from '../attrs-text.js';
import { hostOf } from '../device.js';
import { DTYPE_NUMBERS, UINT32, UINT64 } from '../dtype.js';
import { ATTRS_MARK, INPUTS_MARK, OP_MARK } from '../marks.js';
import type { AttrCase, AttrEntry } from '../proto/messages.js';
import { float64Constant, rawConstant } from './constants.js';
import { LOOP_VARIABLES, NORMALS_DRAW, NORMALS_FUNCTIONS, NORMALS_MORE, PHILOX } from './normals.js';
import { addMain, addPart, controlTexts, type Part, tensorText, type Writing } from './writing.js';

// Our random numbers are words of Philox, made into floats in a way of our own (`randomValues` of the IR says how).
// TensorFlow has the same generator under other ways, but one of its ops gives the words themselves, with key and counter
// as inputs. From there on the way is plain arithmetic in float64, rounded to float32 once, which gives uniform numbers to the
// bit, and normal ones up to the last bit of the library's logarithm, sine and cosine.

/** Elements that are drawn at once: what is computed in float64 takes many times the room of the result. */
const PIECE = 2 ** 22;
/** Words of a block. */
const BLOCK = 4;
const DEVIATIONS = 2;

/** Adds one part after the other. */
interface Parts {
  readonly add: (part: Part) => string;
  readonly constant: (suffix: string, attrs: readonly AttrEntry[]) => string;
}

function partsOf(writing: Writing, node: Node, device: string): Parts {
  const add = (part: Part): string => addPart(writing, node, { device, ...part });
  return { add, constant: (suffix, attrs) => add({ suffix, op: 'Const', attrs }) };
}

const type = (name: string, number: number): AttrEntry => entry(name, { case: 'type', value: number });
const { float32, float64, int32 } = DTYPE_NUMBERS;

const ints = (values: readonly number[], scalar = false): AttrEntry[] =>
  rawConstant(int32, scalar ? [] : [values.length], new Uint8Array(Int32Array.from(values).buffer));
const words64 = (...values: bigint[]): AttrEntry[] =>
  rawConstant(UINT64, [values.length], new Uint8Array(BigUint64Array.from(values).buffer));

/** The key of a generator: `seed` in the lower half. */
function keyOf(node: Node): bigint {
  return BigInt(getAttr(node, 'seed', 'int')) | (BigInt(getAttr(node, 'seed2', 'int')) << 32n);
}

const floatOf = (node: Node, name: string): number => getAttr(node, name, 'float');

/** Writes a random op as what it becomes; its last node has the name, and knows what it stands for. */
export function writeRandom(writing: Writing, node: Node): void {
  if (node.op === 'StatelessRandomUniformV2') writeSeeded(writing, node);
  else writeStatic(writing, node);
}

function marks(writing: Writing, node: Node): AttrEntry[] {
  const inputs = node.inputs.map((ref) => tensorText(writing, ref));
  return [
    entry(OP_MARK, textAttr(node.op)),
    entry(ATTRS_MARK, textAttr(attrsText(node.attrs))),
    ...(inputs.length === 0 ? [] : [entry(INPUTS_MARK, textsAttr(inputs))]),
  ];
}

/** Initial values, once: on the host, in pieces one after the other. */
function writeStatic(writing: Writing, node: Node): void {
  const dims = getAttr(node, 'shape', 'shape') as readonly number[];
  const count = elementCount(dims) ?? 0;
  const parts = partsOf(writing, node, hostOf(node.device));
  const draw = node.op === 'StatelessRandomUniform' ? uniformPiece : normalPiece(writing, parts, node);
  const pieces: string[] = [];
  for (let start = 0; start < count || pieces.length === 0; start += PIECE) {
    const before = pieces.length === 0 ? controlTexts(writing, node) : [`^${pieces.at(-1)}`];
    pieces.push(draw(parts, node, { start, length: Math.min(PIECE, count - start), before }));
  }
  const shape = parts.constant('shape', ints(dims));
  addMain(writing, node, {
    op: 'Reshape',
    inputs: [joined(parts, pieces), shape],
    attrs: [type('T', float32), type('Tshape', int32), ...marks(writing, node)],
  });
}

function joined(parts: Parts, pieces: readonly string[]): string {
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined) return first;
  const axis = parts.constant('axis', ints([0], true));
  const attrs = [entry('N', intAttr(pieces.length)), type('T', float32), type('Tidx', int32)];
  return parts.add({ suffix: 'pieces', op: 'ConcatV2', inputs: [...pieces, axis], attrs });
}

/** A part of the elements, in a row, and control edges to what goes before it. */
interface Piece {
  readonly start: number;
  readonly length: number;
  readonly before: readonly string[];
}

function uniformPiece(parts: Parts, node: Node, { start, length, before }: Piece): string {
  const words = drawWords(parts, {
    shape: parts.constant('length', ints([length])),
    key: parts.constant('key', words64(keyOf(node))),
    counter: parts.constant('counter', words64(BigInt(start / BLOCK), 0n)),
    before,
  });
  return parts.add({ suffix: 'uniform', ...uniformOf(parts, node, words) });
}

interface WordInputs {
  readonly shape: string;
  readonly key: string;
  readonly counter: string;
  readonly before: readonly string[];
}

function drawWords(parts: Parts, { shape, key, counter, before }: WordInputs): string {
  const algorithm = parts.constant('algorithm', ints([PHILOX], true));
  return parts.add({
    suffix: 'words',
    op: 'StatelessRandomUniformFullIntV2',
    inputs: [shape, key, counter, algorithm, ...before],
    attrs: [type('dtype', UINT32), type('Tshape', int32)],
  });
}

const SHIFT = 8;
const BITS = 24;

/** `minval + (maxval − minval)/2²⁴ · (word >> 8)`, and the last step of it, the rounding. */
function uniformOf(parts: Parts, node: Node, words: string): Omit<Part, 'suffix'> {
  const [minval, maxval] = [floatOf(node, 'minval'), floatOf(node, 'maxval')];
  const shift = parts.constant(
    'shift',
    rawConstant(UINT32, [], new Uint8Array(Uint32Array.of(SHIFT).buffer)),
  );
  const upper = parts.add({
    suffix: 'upper',
    op: 'RightShift',
    inputs: [words, shift],
    attrs: [type('T', UINT32)],
  });
  const wide = parts.add({
    suffix: 'float64',
    op: 'Cast',
    inputs: [upper],
    attrs: [type('SrcT', UINT32), type('DstT', float64)],
  });
  return narrowed(affine(parts, wide, (maxval - minval) / 2 ** BITS, minval));
}

/** `x · scale + offset` in float64. */
function affine(parts: Parts, x: string, scale: number, offset: number): string {
  const attrs = [type('T', float64)];
  const by = parts.constant('scale', float64Constant(scale));
  const scaled = parts.add({ suffix: 'scaled', op: 'Mul', inputs: [x, by], attrs });
  const to = parts.constant('offset', float64Constant(offset));
  return parts.add({ suffix: 'moved', op: 'AddV2', inputs: [scaled, to], attrs });
}

function narrowed(x: string): Omit<Part, 'suffix'> {
  return { op: 'Cast', inputs: [x], attrs: [type('SrcT', float64), type('DstT', float32)] };
}

/** What all pieces of a node take alike is made once. */
function normalPiece(writing: Writing, parts: Parts, owner: Node) {
  for (const each of NORMALS_FUNCTIONS) writing.functions.set(each.signature?.name ?? '', each);
  const attempt = parts.constant(
    'attempt',
    rawConstant(UINT64, [], new Uint8Array(BigUint64Array.of(0n).buffer)),
  );
  const key = parts.constant('key', words64(keyOf(owner)));
  const within = owner.op === 'StatelessTruncatedNormal' ? DEVIATIONS : Number.POSITIVE_INFINITY;
  const limit = parts.constant('limit', float64Constant(within));
  const none = parts.constant('none', float64Constant(Number.NaN));
  return (_: Parts, node: Node, { start, length, before }: Piece): string => {
    const padded = Math.ceil(length / BLOCK) * BLOCK;
    const dims = parts.constant('dims', ints([padded]));
    const nothing = parts.add({
      suffix: 'nothing',
      op: 'Fill',
      inputs: [dims, none],
      attrs: [type('T', float64), type('index_type', int32)],
    });
    const block = parts.constant('block', words64(BigInt(start / BLOCK)));
    const pairs = parts.constant('pairs', ints([padded / 2, 2]));
    const loop = parts.add({
      suffix: 'normals',
      op: 'StatelessWhile',
      inputs: [attempt, nothing, key, block, pairs, limit, ...before],
      attrs: LOOP,
    });
    const drawn = padded === length ? `${loop}:1` : cut(parts, `${loop}:1`, length);
    const moved = affine(parts, drawn, floatOf(node, 'stddev'), floatOf(node, 'mean'));
    return parts.add({ suffix: 'normal', ...narrowed(moved) });
  };
}

const functionAttr = (name: string): AttrCase => ({ case: 'func', value: { name, attr: [] } });

const LOOP: readonly AttrEntry[] = [
  entry('T', list({ type: LOOP_VARIABLES.map(({ type: element }) => element) })),
  entry('cond', functionAttr(NORMALS_MORE)),
  entry('body', functionAttr(NORMALS_DRAW)),
];

/** The first elements of a vector. */
function cut(parts: Parts, x: string, length: number): string {
  const begin = parts.constant('begin', ints([0]));
  const size = parts.constant('size', ints([length]));
  const attrs = [type('T', float64), entry('Index', typeAttr('int32'))];
  return parts.add({ suffix: 'cut', op: 'Slice', inputs: [x, begin, size], attrs });
}

/** Numbers of each step, on the node's own device; only their key is made on the host, from a few words. */
function writeSeeded(writing: Writing, node: Node): void {
  const [shape, seed] = node.inputs;
  if (shape === undefined || seed === undefined) {
    throw new PlacewrightError('PW_OP_ARITY', `${node.op} takes a shape and a seed`);
  }
  const parts = partsOf(writing, node, node.device);
  const key = mixedKey(writing, node, seed);
  const words = drawWords(parts, {
    shape: tensorText(writing, shape),
    key,
    counter: parts.constant('counter', words64(0n, 0n)),
    before: controlTexts(writing, node),
  });
  const { op, inputs = [], attrs } = uniformOf(parts, node, words);
  addMain(writing, node, { op, inputs, attrs: [...attrs, ...marks(writing, node)] });
}

/** The key of the step: the first two words of the block whose counter is the seed, and whose key the attributes. */
function mixedKey(writing: Writing, node: Node, seed: TensorRef): string {
  const parts = partsOf(writing, node, hostOf(node.device));
  const counter = parts.add({
    suffix: 'seed',
    op: 'Bitcast',
    inputs: [tensorText(writing, seed)],
    attrs: [type('T', DTYPE_NUMBERS.int64), type('type', UINT64)],
  });
  const mixed = drawWords(parts, {
    shape: parts.constant('block_shape', ints([BLOCK])),
    key: parts.constant('own_key', words64(keyOf(node))),
    counter,
    before: [],
  });
  const two = parts.add({
    suffix: 'two_words',
    op: 'Slice',
    inputs: [mixed, parts.constant('begin', ints([0])), parts.constant('size', ints([2]))],
    attrs: [type('T', UINT32), type('Index', int32)],
  });
  const key = parts.add({
    suffix: 'key',
    op: 'Bitcast',
    inputs: [two],
    attrs: [type('T', UINT32), type('type', UINT64)],
  });
  const vector = parts.constant('vector', ints([1]));
  return parts.add({
    suffix: 'key_vector',
    op: 'Reshape',
    inputs: [key, vector],
    attrs: [type('T', UINT64), type('Tshape', int32)],
  });
}
