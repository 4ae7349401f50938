import { PlacewrightError } from '@placewright/ir';
import { broken } from '../laws/law.js';

/** What an error must say: one of the codes, and where it holds for a node, its name (or one of several). */
export interface Refusal {
  readonly codes: readonly string[];
  readonly node?: string | ReadonlySet<string>;
}

/** Throws PW_LAW unless `body` throws what it should; what has another code is thrown as it is. */
export async function mustRefuse({ codes, node }: Refusal, body: () => unknown): Promise<void> {
  const error = await thrownBy(body);
  if (error === undefined) broken(`nothing was refused where ${codes.join(' or ')} should be`);
  if (!(error instanceof PlacewrightError) || !codes.includes(error.code)) throw error;
  const named = error.where.node;
  if (node === undefined || named === node || (typeof node === 'object' && node.has(named ?? ''))) return;
  const want = typeof node === 'string' ? JSON.stringify(node) : `one of ${[...node].slice(0, 8).join(', ')}`;
  broken(`${error.code} names ${named === undefined ? 'no node' : JSON.stringify(named)}, not ${want}`);
}

async function thrownBy(body: () => unknown): Promise<unknown> {
  try {
    await body();
    return undefined;
  } catch (error) {
    return error ?? new Error('nothing was thrown');
  }
}
