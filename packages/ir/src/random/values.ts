import { type Attrs, getAttr } from '../attr.js';
import { PlacewrightError } from '../errors.js';
import { elementCount, formatShape, isStatic } from '../shape.js';
import { type TensorValue, tensorValue, toNumbers } from '../tensor.js';
import { philoxBlock } from './philox.js';

/** Key of a generator: two unsigned 32-bit words, the attributes `seed` and `seed2`. */
interface Key {
  readonly seed: number;
  readonly seed2: number;
}

export interface RandomNode {
  readonly op: string;
  readonly attrs: Attrs;
}

const BLOCK = 4;
const WORD = 2 ** 32;
/** Beyond this many standard deviations a truncated normal is drawn again. */
const CUT = 2;

/**
 * The numbers of a random op: a function of its op and attributes alone, so that every engine draws the same to the bit.
 *
 * Elements `4b … 4b+3` come from the Philox block with the counter `b` (64 bits in words 0 and 1), attempt (word 2), 0.
 * Uniform: the upper 24 bits of the element's word / 2²⁴, in [0, 1), scaled in float64 and rounded to float32, by which
 * `maxval` itself can come out where the range is small beside its ends.
 * Normal: Box and Muller (1958) on a block's first and second pair of words, `r = √(−2 ln((w₀+1)/2³²))`,
 * `t = 2π·w₁/2³²`: `r cos t` and `r sin t`. Truncated: as that, with the next attempt for elements beyond two standard
 * deviations. V2, with inputs shape and seed: as without, under a key of its own, the words 0 and 1 of the Philox block
 * whose counter is the seed (low and high half of the first number, then of the second) and whose key the attributes.
 * Throws PW_RANDOM_OP for other ops and missing inputs, PW_SHAPE_UNKNOWN.
 */
export function randomValues(node: RandomNode, inputs: readonly TensorValue[] = []): TensorValue {
  if (node.op === 'StatelessRandomUniformV2') return seededValues(node, inputs);
  const shape = getAttr(node, 'shape', 'shape');
  if (!isStatic(shape)) {
    throw new PlacewrightError('PW_SHAPE_UNKNOWN', `${node.op} cannot draw the shape ${formatShape(shape)}`, {
      hint: 'random ops need a fully known shape',
    });
  }
  const data = new Float32Array(elementCount(shape) ?? 0);
  const key = keyOf(node);
  const float = (name: string): number => getAttr(node, name, 'float');
  switch (node.op) {
    case 'StatelessRandomUniform':
      fillUniform(data, key, float('minval'), float('maxval'));
      break;
    case 'StatelessRandomNormal':
      fillNormal(data, key, float('mean'), float('stddev'));
      break;
    case 'StatelessTruncatedNormal':
      fillTruncated(data, key, float('mean'), float('stddev'));
      break;
    default:
      throw new PlacewrightError('PW_RANDOM_OP', `${node.op} is no random op`);
  }
  return tensorValue('float32', shape, data);
}

function keyOf(node: RandomNode): Key {
  return { seed: getAttr(node, 'seed', 'int'), seed2: getAttr(node, 'seed2', 'int') };
}

function seededValues(node: RandomNode, [shape, seed]: readonly TensorValue[]): TensorValue {
  const [first, second] = seed?.data ?? [];
  if (shape === undefined || typeof first !== 'bigint' || typeof second !== 'bigint') {
    throw new PlacewrightError('PW_RANDOM_OP', `${node.op} needs a shape and two int64 numbers of a seed`);
  }
  const dims = toNumbers(shape);
  const data = new Float32Array(elementCount(dims) ?? 0);
  const key = mixedKey(keyOf(node), first, second);
  fillUniform(data, key, getAttr(node, 'minval', 'float'), getAttr(node, 'maxval', 'float'));
  return tensorValue('float32', dims, data);
}

function mixedKey({ seed, seed2 }: Key, first: bigint, second: bigint): Key {
  const low = (x: bigint): number => Number(BigInt.asUintN(32, x));
  const high = (x: bigint): number => Number(BigInt.asUintN(32, x >> 32n));
  const words = new Uint32Array(BLOCK);
  philoxBlock(words, low(first), high(first), low(second), high(second), seed, seed2);
  return { seed: words[0] as number, seed2: words[1] as number };
}

function drawBlock(words: Uint32Array, block: number, attempt: number, key: Key): void {
  philoxBlock(words, block, Math.floor(block / WORD), attempt, 0, key.seed, key.seed2);
}

function fillUniform(data: Float32Array, key: Key, minval: number, maxval: number): void {
  const words = new Uint32Array(BLOCK);
  const scale = (maxval - minval) / 2 ** 24;
  for (let i = 0; i < data.length; i += BLOCK) {
    drawBlock(words, i / BLOCK, 0, key);
    // Writes past the end are dropped, as typed arrays do.
    for (let j = 0; j < BLOCK; j++) data[i + j] = minval + scale * ((words[j] as number) >>> 8);
  }
}

/** Four standard normals of one block. */
function drawNormals(out: Float64Array, words: Uint32Array, block: number, attempt: number, key: Key): void {
  drawBlock(words, block, attempt, key);
  for (let j = 0; j < BLOCK; j += 2) {
    const radius = Math.sqrt(-2 * Math.log(((words[j] as number) + 1) / WORD));
    const angle = (words[j + 1] as number) * ((2 * Math.PI) / WORD);
    out[j] = radius * Math.cos(angle);
    out[j + 1] = radius * Math.sin(angle);
  }
}

function fillNormal(data: Float32Array, key: Key, mean: number, stddev: number): void {
  const words = new Uint32Array(BLOCK);
  const normals = new Float64Array(BLOCK);
  for (let i = 0; i < data.length; i += BLOCK) {
    drawNormals(normals, words, i / BLOCK, 0, key);
    for (let j = 0; j < BLOCK; j++) data[i + j] = mean + stddev * (normals[j] as number);
  }
}

function fillTruncated(data: Float32Array, key: Key, mean: number, stddev: number): void {
  const words = new Uint32Array(BLOCK);
  const normals = new Float64Array(BLOCK);
  const again = new Float64Array(BLOCK);
  for (let i = 0; i < data.length; i += BLOCK) {
    drawNormals(normals, words, i / BLOCK, 0, key);
    for (let j = 0; j < BLOCK; j++) {
      let z = normals[j] as number;
      for (let attempt = 1; Math.abs(z) > CUT; attempt++) {
        drawNormals(again, words, i / BLOCK, attempt, key);
        z = again[j] as number;
      }
      data[i + j] = mean + stddev * z;
    }
  }
}
