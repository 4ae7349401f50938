import { allocate, elementCount, type TensorData, type TensorValue } from '@placewright/ir';
import { add, array, type Floats, mul, scalar, type VectorKernel, vectorKernel } from './kernels/vector.js';
import type { SharedCollective } from './protocol.js';

/** From this many elements and devices on they share the adding: each sums its part, and takes the others' from memory. */
const SHARED = { elements: 1 << 15, devices: 3 };

export function isShared(collective: SharedCollective, devices: number): boolean {
  return devices >= SHARED.devices && countOf(collective) >= SHARED.elements;
}

export function countOf({ shape }: SharedCollective): number {
  return elementCount(shape) ?? 0;
}

/** The elements of one member's row, or of the sum, in shared memory. */
function view(
  { dtype }: SharedCollective,
  memory: SharedArrayBuffer,
  from: number,
  count: number,
): TensorData {
  const like = allocate(dtype, 0);
  const make = like.constructor as new (
    buffer: SharedArrayBuffer,
    offset: number,
    length: number,
  ) => TensorData;
  return new make(memory, from * like.BYTES_PER_ELEMENT, count);
}

/** Both are of one dtype's array type. */
function copyInto(into: TensorData, from: TensorData): void {
  (into as Float32Array).set(from as Float32Array);
}

/** Puts a member's tensor into its row. */
export function putRow(collective: SharedCollective, member: number, value: TensorValue): void {
  const count = countOf(collective);
  copyInto(view(collective, collective.rows, member * count, count), value.data);
}

/**
 * Sum of all rows over elements [from, to), in the order of the members, each partial sum rounded, so that every
 * device gets the same bits; then times the scale.
 */
function sumRows(collective: SharedCollective, from: number, to: number, into: TensorData): void {
  const count = countOf(collective);
  const rows = collective.members.map((_, member) =>
    view(collective, collective.rows, member * count + from, to - from),
  );
  if (into instanceof Float32Array || into instanceof Float64Array) {
    scaledSum(rows.length)(rows as Floats[], [into], [collective.scale]);
    return;
  }
  const [first, ...others] = rows;
  if (first !== undefined) copyInto(into, first);
  for (const row of others) addTo(into, row);
}

const sums = new Map<number, VectorKernel>();

/** The sum of so many arrays times scalar 0. */
function scaledSum(count: number): VectorKernel {
  const arrays = Array.from({ length: count }, (_, i) => array(i));
  const kernel =
    sums.get(count) ??
    vectorKernel([
      mul(
        arrays.reduce((a, b) => add(a, b)),
        scalar(0),
      ),
    ]);
  sums.set(count, kernel);
  return kernel;
}

function addTo(into: TensorData, row: TensorData): void {
  if (into instanceof BigInt64Array) {
    const big = row as BigInt64Array;
    for (let i = 0; i < into.length; i++) into[i] = (into[i] as bigint) + (big[i] as bigint);
    return;
  }
  const numbers = row as Float32Array;
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) + (numbers[i] as number);
}

/** Works out the `part`-th of `parts` shares of the sum, in shared memory. */
export function sumShare(collective: SharedCollective, part: number, parts: number): void {
  const count = countOf(collective);
  const from = Math.floor((part * count) / parts);
  const to = Math.floor(((part + 1) * count) / parts);
  sumRows(collective, from, to, view(collective, collective.sum, from, to - from));
}

/** Copies the whole sum, once all shares are there. */
export function takeSum(collective: SharedCollective, into: TensorData): void {
  copyInto(into, view(collective, collective.sum, 0, into.length));
}

/** Works out the whole sum here. */
export function sumHere(collective: SharedCollective, into: TensorData): void {
  sumRows(collective, 0, into.length, into);
}
