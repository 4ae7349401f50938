import { xorshift } from '../schedule.js';

/** Choices by chance, the same ones for the same seed. */
export interface Random {
  /** A whole number from 0 up to, not including, n. */
  below(n: number): number;
  chance(probability: number): boolean;
  /** One of the items; undefined where there are none. */
  pick<T>(items: readonly T[]): T | undefined;
}

export function createRandom(seed: number): Random {
  const next = xorshift(seed);
  const below = (n: number): number => Math.floor(next() * n);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)],
  };
}
