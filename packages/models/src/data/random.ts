import { philoxBlock } from '@placewright/ir';

/** What draws are for. Each use has its own part of the counter, beside 0 for initial values, so that one seed serves all. */
const STREAMS = { order: 1, patterns: 2, labels: 3, noise: 4 } as const;

export interface DrawKey {
  readonly seed: number;
  readonly stream: keyof typeof STREAMS;
  /** Which of the stream's sequences: an epoch, an image. */
  readonly part: number;
}

const BLOCK = 4;

/** The first `count` words of 32 random bits of a sequence, the same on every machine. */
export function words(count: number, { seed, stream, part }: DrawKey): Uint32Array {
  const out = new Uint32Array(Math.ceil(count / BLOCK) * BLOCK);
  const block = new Uint32Array(BLOCK);
  for (let i = 0; i < out.length; i += BLOCK) {
    philoxBlock(block, i / BLOCK, 0, part, STREAMS[stream], seed, Math.floor(seed / 2 ** 32));
    out.set(block, i);
  }
  return out.subarray(0, count);
}
