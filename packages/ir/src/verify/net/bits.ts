/** A set of small numbers, 32 to a word. Sets that are handed on are never changed. */
export type Bits = Int32Array;

export function noBits(size: number): Bits {
  return new Int32Array((size + 31) >>> 5);
}

export function setBit(bits: Bits, i: number): void {
  bits[i >>> 5] = (bits[i >>> 5] ?? 0) | (1 << (i & 31));
}

export function hasBit(bits: Bits, i: number): boolean {
  return ((bits[i >>> 5] ?? 0) & (1 << (i & 31))) !== 0;
}

/** Adds all of `more`. */
export function addBits(bits: Bits, more: Bits): void {
  for (let w = 0; w < more.length; w++) bits[w] = (bits[w] ?? 0) | (more[w] ?? 0);
}

/** Whether all of `part` are in `bits`. */
export function contains(bits: Bits, part: Bits): boolean {
  for (let w = 0; w < part.length; w++) if (((part[w] ?? 0) & ~(bits[w] ?? 0)) !== 0) return false;
  return true;
}

/** Text that is the same for equal sets. */
export function bitsKey(bits: Bits): string {
  return bits.join();
}
