import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { KILL_CASES, killAndResume, randomFrom } from '../lib/kills.mjs';
import { root } from '../lib/run.mjs';

// A sample of what `npm run soak` does with all cases and more kills.
const KILLS = 6;

test('the command is built', () => {
  expect(existsSync(join(root, 'packages/cli/dist/main.js')), 'run `npm run build` first').toBe(true);
});

test.each(KILL_CASES.slice(0, 2))(
  'training goes on after kill -9 as if nothing had happened: $name',
  { timeout: 180_000 },
  async (kind) => {
    const counts = await killAndResume(kind, { kills: KILLS, seed: 7 });
    expect(counts.kills).toBe(KILLS);
    expect(counts.ends).toBeGreaterThan(0);
    // Most fall where there is something to lose.
    expect(counts.midway).toBeGreaterThan(0);
  },
);

test('moments are the same for the same seed', () => {
  const [a, b, c] = [1, 1, 2].map((seed) => Array.from({ length: 1000 }, randomFrom(seed)));
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
  expect(a.every((x) => x >= 0 && x < 1)).toBe(true);
  expect(a.reduce((sum, x) => sum + x) / a.length).toBeCloseTo(0.5, 1);
});
