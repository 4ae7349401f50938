import type { Attr, DType, Shape, TensorValue } from '@placewright/ir';
import { DTYPE_NUMBERS, dtypeOf } from './dtype.js';
import { parseAttrValue, printAttrValue } from './proto/codec.js';
import type { AttrCase, AttrEntry, AttrValue, ListValue } from './proto/messages.js';
import { shapeMessage, shapeOf, tensorFromMessage, tensorMessage } from './tensor.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const EMPTY_LIST: ListValue = { s: [], i: [], f: [], b: [], type: [], shape: [], tensor: [], func: [] };

export const entry = (key: string, value: AttrCase): AttrEntry => ({ key, value: { value } });
export const list = (items: Partial<ListValue>): AttrCase => ({
  case: 'list',
  value: { ...EMPTY_LIST, ...items },
});
export const textAttr = (text: string): AttrCase => ({ case: 's', value: encoder.encode(text) });
export const intAttr = (value: number): AttrCase => ({ case: 'i', value: BigInt(value) });
export const typeAttr = (dtype: DType): AttrCase => ({ case: 'type', value: DTYPE_NUMBERS[dtype] });
export const typesAttr = (dtypes: readonly DType[]): AttrCase =>
  list({ type: dtypes.map((dtype) => DTYPE_NUMBERS[dtype]) });
export const shapeAttr = (shape: Shape): AttrCase => ({ case: 'shape', value: shapeMessage(shape) });
export const shapesAttr = (shapes: readonly Shape[]): AttrCase => list({ shape: shapes.map(shapeMessage) });
export const tensorAttr = (value: TensorValue): AttrCase => ({ case: 'tensor', value: tensorMessage(value) });
export const textsAttr = (texts: readonly string[]): AttrCase =>
  list({ s: texts.map((text) => encoder.encode(text)) });

/** Marks strings that stand for a value that the IR has no kind for, in protobuf's text form. */
const FOREIGN = 'pbtxt:';

/** An attribute of the IR as TensorFlow writes it. Throws PW_GRAPHDEF_TEXT. */
export function attrCase(attr: Attr): AttrCase {
  switch (attr.kind) {
    case 'int':
      return intAttr(attr.value);
    case 'float':
      return { case: 'f', value: attr.value };
    case 'bool':
      return { case: 'b', value: attr.value };
    case 'string':
      return attr.value.startsWith(FOREIGN)
        ? parseAttrValue(attr.value.slice(FOREIGN.length)).value
        : textAttr(attr.value);
    case 'dtype':
      return typeAttr(attr.value);
    case 'shape':
      return shapeAttr(attr.value);
    case 'ints':
      return list({ i: attr.value.map(BigInt) });
    case 'floats':
      return list({ f: attr.value });
    case 'strings':
      return textsAttr(attr.value);
    case 'tensor':
      return tensorAttr(attr.value);
  }
}

/** A value of a GraphDef as an attribute of the IR; what the IR has no kind for becomes a marked string. */
export function irAttr(value: AttrValue): Attr {
  const plain = plainAttr(value.value);
  const marked = plain?.kind === 'string' && plain.value.startsWith(FOREIGN);
  return plain === null || marked ? { kind: 'string', value: FOREIGN + printAttrValue(value) } : plain;
}

function plainAttr(value: AttrCase): Attr | null {
  switch (value.case) {
    case 's':
      return textOrNull(value.value, (text) => ({ kind: 'string', value: text }));
    case 'i':
      return safe(value.value) ? { kind: 'int', value: Number(value.value) } : null;
    case 'f':
      return { kind: 'float', value: shortestFloat(value.value) };
    case 'b':
      return { kind: 'bool', value: value.value };
    case 'type': {
      const dtype = plainDType(value.value);
      return dtype === undefined ? null : { kind: 'dtype', value: dtype };
    }
    case 'shape': {
      const shape = shapeOf(value.value);
      return shape === null ? null : { kind: 'shape', value: shape };
    }
    case 'tensor': {
      const tensor = tensorFromMessage(value.value);
      return tensor === null ? null : { kind: 'tensor', value: tensor };
    }
    case 'list':
      return listAttr(value.value);
    default:
      return null;
  }
}

/** As `dtypeOf`, without references: the number must come back. */
function plainDType(number: number): DType | undefined {
  const dtype = dtypeOf(number);
  return dtype !== undefined && DTYPE_NUMBERS[dtype] === number ? dtype : undefined;
}

const safe = (value: bigint): boolean => Number.isSafeInteger(Number(value));

function listAttr(value: ListValue): Attr | null {
  const { s, i, f } = value;
  const used = Object.values(value).filter((items) => Array.isArray(items) && items.length > 0);
  // Of which kind an empty list is, a file does not say.
  if (used.length === 0) return { kind: 'ints', value: [] };
  if (used.length > 1) return null;
  if (i.length > 0) return i.every(safe) ? { kind: 'ints', value: i.map(Number) } : null;
  if (f.length > 0) return { kind: 'floats', value: f.map(shortestFloat) };
  if (s.length === 0) return null;
  const texts = s.map((bytes) => textOrNull(bytes, (text) => text));
  return texts.every((text) => text !== null) ? { kind: 'strings', value: texts } : null;
}

function textOrNull<T>(bytes: Uint8Array, make: (text: string) => T): T | null {
  try {
    return make(decoder.decode(bytes));
  } catch {
    return null;
  }
}

/** Text of bytes; null where they are none. */
export function textOf(bytes: Uint8Array): string | null {
  return textOrNull(bytes, (text) => text);
}

/** The shortest decimal of a float32, which the user wrote: 0.001, and not 0.0010000000474974513. */
export function shortestFloat(x: number): number {
  if (!Number.isFinite(x) || Number.isInteger(x)) return x;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits));
    if (Math.fround(short) === x) return short;
  }
  return Number(x.toPrecision(9));
}

/** Whether two values are the same message. */
export function sameCase(a: AttrCase, b: AttrCase): boolean {
  return printAttrValue({ value: a }) === printAttrValue({ value: b });
}
