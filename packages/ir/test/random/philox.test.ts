import { expect, test } from 'vitest';
import { philoxBlock } from '../../src/random/philox.js';

const PI = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0];

// The known-answer tests that Random123 publishes for philox4x32 with 10 rounds: counter, key, words.
test.each([
  ['zeros', [0, 0, 0, 0, 0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  ['ones', new Array<number>(6).fill(0xffffffff), '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  ['the digits of π', PI, 'd16cfe09 94fdcceb 5001e420 24126ea1'],
])('%s give the published block', (_name, words, want) => {
  const [c0 = 0, c1 = 0, c2 = 0, c3 = 0, k0 = 0, k1 = 0] = words;
  const out = new Uint32Array(4);
  philoxBlock(out, c0, c1, c2, c3, k0, k1);
  expect([...out].map((word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(want);
});
