// Just enough of WebAssembly's binary format for one function that works on vectors.

/** The value at a place, worked out from those of the input arrays at the same place and from scalars. */
export type Expr =
  | { readonly kind: 'array'; readonly index: number }
  | { readonly kind: 'scalar'; readonly index: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'operation'; readonly op: Operation; readonly args: readonly Expr[] };

export type Operation = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

/** How wide the elements are, in bytes. */
export type Width = 4 | 8;

const PAGE = 65_536;
const VECTOR_BYTES = 16;

/** Opcodes behind the prefix of vectors, for f32x4 and f64x2. */
const OPERATIONS: Readonly<Record<Operation, Readonly<Record<Width, number>>>> = {
  add: { 4: 0xe4, 8: 0xf0 },
  sub: { 4: 0xe5, 8: 0xf1 },
  mul: { 4: 0xe6, 8: 0xf2 },
  div: { 4: 0xe7, 8: 0xf3 },
  sqrt: { 4: 0xe3, 8: 0xef },
};
const SPLAT: Readonly<Record<Width, number>> = { 4: 0x13, 8: 0x14 };
const SCALAR_TYPE: Readonly<Record<Width, number>> = { 4: 0x7d, 8: 0x7c };
const [I32, V128, EMPTY] = [0x7f, 0x7b, 0x40];
const [LOAD, STORE, ALIGN_16] = [0x00, 0x0b, 4];

type Bytes = readonly number[];

/** An unsigned number in LEB128. */
function leb(value: number): Bytes {
  const bytes: number[] = [];
  let left = value;
  do {
    bytes.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    left >>>= 7;
  } while (left > 0);
  return bytes;
}

const sized = (bytes: Bytes): Bytes => [...leb(bytes.length), ...bytes];
const list = (items: readonly Bytes[]): Bytes => [...leb(items.length), ...items.flat()];
const section = (id: number, items: readonly Bytes[]): Bytes => [id, ...sized(list(items))];
const name = (text: string): Bytes => sized([...Buffer.from(text)]);
const vector = (opcode: number, ...immediates: Bytes): Bytes => [0xfd, ...leb(opcode), ...immediates];
const getLocal = (index: number): Bytes => [0x20, ...leb(index)];
const setLocal = (index: number): Bytes => [0x21, ...leb(index)];

/** Arrays and scalars that expressions take: one more than the largest index of each. */
export function countsOf(results: readonly Expr[]): { arrays: number; scalars: number } {
  const counts = { arrays: results.length, scalars: 0 };
  const visit = (expr: Expr): void => {
    if (expr.kind === 'operation') expr.args.forEach(visit);
    else if (expr.kind === 'array') counts.arrays = Math.max(counts.arrays, expr.index + 1);
    else if (expr.kind === 'scalar') counts.scalars = Math.max(counts.scalars, expr.index + 1);
  };
  results.forEach(visit);
  return counts;
}

/**
 * A module with a `memory`, in which array i starts at byte i·chunk, and a function `run(end, …scalars)` that puts result
 * i where array i is, up to byte `end` of each, by whole vectors.
 */
export function encodeProgram(
  results: readonly Expr[],
  width: Width,
  chunk: number,
): Uint8Array<ArrayBuffer> {
  const { arrays, scalars } = countsOf(results);
  const type = [0x60, ...list([[I32], ...Array.from({ length: scalars }, () => [SCALAR_TYPE[width]])]), 0];
  const pages = Math.ceil((Math.max(arrays, 1) * chunk) / PAGE);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [type]),
    ...section(3, [leb(0)]),
    ...section(5, [[0, ...leb(pages)]]),
    ...section(7, [
      [...name('memory'), 2, 0],
      [...name('run'), 0, 0],
    ]),
    ...section(10, [sized(functionBody(results, width, chunk, scalars))]),
  ]);
}

function functionBody(results: readonly Expr[], width: Width, chunk: number, scalars: number): Bytes {
  // Parameters come first among the locals: the end, the scalars; then the position, then vectors.
  const position = scalars + 1;
  let next = position + 1;
  const splats = Array.from({ length: scalars }, (_, i) => ({ from: i + 1, to: next++ }));
  const known = new Map<Expr, number>();
  const code: number[] = [];
  const place = (expr: Expr): number => {
    const found = known.get(expr);
    if (found !== undefined) return found;
    if (expr.kind === 'scalar') return splats[expr.index]?.to ?? 0;
    const value = instructions(expr);
    const local = next++;
    code.push(...value, ...setLocal(local));
    known.set(expr, local);
    return local;
  };
  const instructions = (expr: Exclude<Expr, { kind: 'scalar' }>): Bytes => {
    if (expr.kind === 'operation') return compute(expr);
    return expr.kind === 'array' ? load(expr.index) : splatted(expr.value, width);
  };
  const load = (index: number): Bytes => [
    ...getLocal(position),
    ...vector(LOAD, ALIGN_16, ...leb(index * chunk)),
  ];
  const compute = ({ op, args }: Extract<Expr, { kind: 'operation' }>): Bytes => {
    const places = args.map(place);
    return [...places.flatMap(getLocal), ...vector(OPERATIONS[op][width])];
  };
  const places = results.map(place);
  places.forEach((local, i) => {
    const where = vector(STORE, ALIGN_16, ...leb(i * chunk));
    code.push(...getLocal(position), ...getLocal(local), ...where);
  });
  const prologue = splats.flatMap(({ from, to }) => [
    ...getLocal(from),
    ...vector(SPLAT[width]),
    ...setLocal(to),
  ]);
  const locals = list([
    [1, I32],
    [...leb(next - position - 1), V128],
  ]);
  return [...locals, ...prologue, ...loop(position, code), 0x0b];
}

/** A vector of one number, by what `f32.const` and `f64.const` are. */
function splatted(value: number, width: Width): Bytes {
  const bytes = width === 4 ? Float32Array.of(value) : Float64Array.of(value);
  return [width === 4 ? 0x43 : 0x44, ...new Uint8Array(bytes.buffer), ...vector(SPLAT[width])];
}

/** Runs `body` for each vector from position 0 to the end, which is parameter 0 and not 0. */
function loop(position: number, body: Bytes): Bytes {
  const advance = [...getLocal(position), 0x41, VECTOR_BYTES, 0x6a, 0x22, ...leb(position)];
  const again = [...getLocal(0), 0x49, 0x0d, 0];
  return [0x03, EMPTY, ...body, ...advance, ...again, 0x0b];
}
