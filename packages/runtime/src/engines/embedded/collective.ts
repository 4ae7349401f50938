import { allocate, elementCount, type TensorData, type TensorValue } from '@placewright/ir';
import type { SharedCollective } from './protocol.js';

/** From this many elements on the devices share the adding: each sums its part, and takes the others' from memory. */
export const SHARED_SUM = 1 << 15;

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
 * device gets the same bits.
 */
export function sumRows(collective: SharedCollective, from: number, to: number, into: TensorData): void {
  const count = countOf(collective);
  const row = (member: number): TensorData =>
    view(collective, collective.rows, member * count + from, to - from);
  copyInto(into, row(0));
  for (let member = 1; member < collective.members.length; member++) addTo(into, row(member));
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

/** A copy of the whole sum, once all shares are there. */
export function takeSum(collective: SharedCollective): TensorValue {
  const data = allocate(collective.dtype, countOf(collective));
  copyInto(data, view(collective, collective.sum, 0, data.length));
  return { dtype: collective.dtype, shape: collective.shape, data };
}

/** The whole sum, worked out here. */
export function sumHere(collective: SharedCollective): TensorValue {
  const data = allocate(collective.dtype, countOf(collective));
  sumRows(collective, 0, data.length, data);
  return { dtype: collective.dtype, shape: collective.shape, data };
}
