import { expect, it } from 'vitest';
import { listenForInterrupts } from '../src/train/interrupt.js';
import { testIo } from './support.js';

function listening(quiet = false) {
  const io = testIo();
  const clock = { ms: 0 };
  return { io, clock, interrupts: listenForInterrupts(io, { quiet, now: () => clock.ms }) };
}

it('stops at the first Ctrl-C and ends at once at the second', () => {
  const { io, clock, interrupts } = listening();
  expect(interrupts.signal.aborted).toBe(false);
  io.press();
  expect(interrupts.signal.aborted).toBe(true);
  expect(io.stderr.text).toContain('Stopping');
  clock.ms = 1000;
  io.press();
  expect(io.aborted).toEqual([130]);
});

it('takes what a runner passes on for the same key press', () => {
  const { io, clock } = listening();
  io.press();
  clock.ms = 20;
  io.press();
  expect(io.aborted).toEqual([]);
});

it('listens no more once disposed, and says nothing when quiet', () => {
  const { io, interrupts } = listening(true);
  interrupts.dispose();
  io.press();
  expect(interrupts.signal.aborted).toBe(false);
  expect(io.stderr.text).toBe('');
});
