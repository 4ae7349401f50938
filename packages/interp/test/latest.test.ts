import { expect, test } from 'vitest';
import { keepLatest } from '../src/latest.js';

test('what was used last is kept, and the rest is made again', () => {
  const latest = keepLatest<string>(2);
  const made: string[] = [];
  const get = (key: string): string =>
    latest(key, () => {
      made.push(key);
      return key.toUpperCase();
    });
  expect(['a', 'b', 'a', 'c', 'a', 'b', 'a'].map(get)).toEqual(['A', 'B', 'A', 'C', 'A', 'B', 'A']);
  expect(made).toEqual(['a', 'b', 'c', 'b']);
});

test('what was not made is not kept', () => {
  const latest = keepLatest<number>(2);
  const fail = (): number => {
    throw new Error('no');
  };
  expect(() => latest('a', fail)).toThrow('no');
  expect(latest('a', () => 1)).toBe(1);
});
