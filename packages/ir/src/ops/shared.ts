import { type DType, FLOATS, INTS, NUMBERS } from '../dtype.js';
import { PlacewrightError } from '../errors.js';
import { type AttrDecl, type InferContext, type InputDecl, type OpDecl, PURE } from '../op.js';
import {
  broadcastShapes,
  compatible,
  type Dim,
  elementCount,
  formatShape,
  formatType,
  mergeShapes,
  type Shape,
  type TensorType,
} from '../shape.js';

/** Ops by name, each declared without its name, which is its key. Outputs of more than `MAX_ELEMENTS` are refused. */
export function declareOps<Name extends string>(
  decls: Readonly<Record<Name, Omit<OpDecl, 'op'>>>,
): Readonly<Record<Name, OpDecl>> {
  const named = Object.entries<Omit<OpDecl, 'op'>>(decls).map(([op, decl]) => [
    op,
    { op, ...decl, infer: (context: InferContext) => checkSizes(decl.infer(context)) },
  ]);
  return Object.fromEntries(named) as Record<Name, OpDecl>;
}

function checkSizes(types: readonly TensorType[]): readonly TensorType[] {
  for (const { shape } of types) elementCount(shape);
  return types;
}

/** An input whose element type is the type variable `T`: the same for all inputs that are `same`. */
export const same = (name: string): InputDecl => ({ name, dtype: 'T' });
export const float = (name: string): InputDecl => ({ name, dtype: FLOATS });
export const int32 = (name: string): InputDecl => ({ name, dtype: ['int32'] });
export const int = (name: string): InputDecl => ({ name, dtype: INTS });
export const number = (name: string): InputDecl => ({ name, dtype: NUMBERS });
/** Everything from here on, of one type. */
export const rest = (name: string): InputDecl => ({ name, dtype: 'T', rest: true });

export const INT: AttrDecl = { kind: 'int' };
export const INT_LIST: AttrDecl = { kind: 'ints' };
export const BOOL_FALSE: AttrDecl = { kind: 'bool', default: false };
export const STRING: AttrDecl = { kind: 'string' };
export const SHAPE: AttrDecl = { kind: 'shape' };
export const floatAttr = (value: number): AttrDecl => ({ kind: 'float', default: value });

export const pure = PURE;

/** Text of a dimension in a message. */
export const dimText = (dim: Dim): string => (dim === null ? '?' : String(dim));

/** The input's shape, which must have that many dimensions. */
export function ranked(context: InferContext, index: number, rank: number, what: string): Shape {
  const { shape } = context.input(index);
  if (shape.length !== rank) {
    context.fail(`${what} must have ${rank} dimension${rank === 1 ? '' : 's'}, but is ${formatShape(shape)}`);
  }
  return shape;
}

/**
 * The shape that the int32 vector at an input spells out; as many unknown dimensions as it is long, when it is computed.
 * Fails when its length is not known.
 */
export function spelledShape(context: InferContext, index: number): Shape {
  const [length = null] = ranked(context, index, 1, 'shape');
  const value = context.shapeValue(index);
  if (value !== null) return value;
  if (length === null) context.fail('the length of shape is not known, so neither is the rank');
  return new Array<Dim>(length ?? 0).fill(null);
}

/** Fails unless the input's element type is among `allowed`; for inputs that are declared by a type variable. */
export function checkKind(context: InferContext, allowed: readonly DType[], index = 0): TensorType {
  const type = context.input(index);
  if (!allowed.includes(type.dtype)) {
    context.fail(
      `input ${index} is ${formatType(type)}, but must be ${allowed.join(' or ')}`,
      'put a Cast before it',
    );
  }
  return type;
}

/** What is known of a shape from two sources; fails where they contradict. */
export function merged(context: InferContext, a: Shape, b: Shape, what: string): Shape {
  if (!compatible(a, b)) context.fail(`${what} are ${formatShape(a)} and ${formatShape(b)}, which differ`);
  return mergeShapes(a, b);
}

/** As `merged`, of one dimension. */
export function mergedDim(context: InferContext, a: Dim, b: Dim, what: string): Dim {
  if (a !== null && b !== null && a !== b) context.fail(`${what} are ${a} and ${b}, which differ`);
  return a ?? b;
}

/** Shape of two or more inputs broadcast together; fails where they do not. */
export function broadcast(context: InferContext, ...shapes: readonly Shape[]): Shape {
  try {
    return shapes.reduce(broadcastShapes);
  } catch (error) {
    if (!(error instanceof PlacewrightError)) throw error;
    return context.fail(error.message, 'dimensions must be equal, or 1 where they are broadcast');
  }
}

/** Index of a dimension, counted from the end when negative; fails outside of the rank. */
export function axisIn(context: InferContext, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) context.fail(`axis ${axis} is outside of the ${rank} dimensions`);
  return at;
}

/** The dimension of a shape at an index that is known to be in it. */
export const dimAt = (shape: Shape, index: number): Dim => shape[index] ?? null;

/** `shape` with one dimension replaced. */
export const withDim = (shape: Shape, axis: number, dim: Dim): Shape =>
  shape.map((old, i) => (i === axis ? dim : old));

/** Shape function of an op whose output is like its first input, which must be of one of these types. */
export function likeFirst(allowed: readonly DType[]): OpDecl['infer'] {
  return (context) => [checkKind(context, allowed)];
}
