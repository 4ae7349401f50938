import { createHash } from 'node:crypto';
import { PlacewrightError } from '@placewright/ir';

/** The error that `body` ends with. */
export async function faultOf(body: () => unknown): Promise<PlacewrightError> {
  try {
    await body();
  } catch (error) {
    if (error instanceof PlacewrightError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** A file of a header and what follows, as any program might write one. */
export function rawFile(header: unknown, data: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/** The same file with the checksum that its bytes give, where it names one. */
export function resealed(file: Buffer): Buffer {
  const out = Buffer.from(file);
  const at = out.indexOf('"sha256:');
  if (at < 0) return out;
  out.write('0'.repeat(64), at + 8, 'latin1');
  out.write(createHash('sha256').update(out).digest('hex'), at + 8, 'latin1');
  return out;
}
