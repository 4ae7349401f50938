import { describe, expect, it } from 'vitest';
import { formatError, PlacewrightError, visible } from '../src/errors.js';
import { parseJson } from '../src/json/parse.js';

describe('what a terminal would obey', () => {
  it.each([
    ['\x1b[2J', '\\x1b[2J'],
    ['a\rb\tc\0', 'a\\x0db\\x09c\\x00'],
    ['a\nerror[PW_FAKE]: b', 'a\\nerror[PW_FAKE]: b'],
    ['\x9b31m\x7f', '\\x9b31m\\x7f'],
    ['\u202egnp.exe\u200b', '\\u202egnp.exe\\u200b'],
    ['Größe × 2 … 木', 'Größe × 2 … 木'],
  ])('is written out: %j', (text, expected) => {
    expect(visible(text)).toBe(expected);
  });

  it('is written out in every part of an error', () => {
    const evil = 'x\x1b[31m\x07';
    const error = new PlacewrightError('PW_TEST', `2 faults\n  one ${evil}\n  two\nthree`, {
      hint: `do ${evil}`,
      where: { file: `f${evil}`, node: `n${evil}`, pass: `p${evil}`, excerpt: [`e${evil}`] },
    });
    const shown = 'x\\x1b[31m\\x07';
    expect(formatError(error)).toBe(
      [
        `error[PW_TEST]: 2 faults\n  one ${shown}\n  two\\nthree`,
        `  at: f${shown}, node n${shown}, pass p${shown}`,
        `  | e${shown}`,
        `  do: do ${shown}`,
      ].join('\n'),
    );
  });
});

describe('the text of a JSON file', () => {
  const fault = { code: 'PW_TEST', message: 'no JSON', hint: 'mend it', file: 'a.json' };

  it('may begin with a byte order mark', () => {
    expect(parseJson('\ufeff{"a": 1}', fault)).toEqual({ a: 1 });
  });

  it('is quoted in an error without its controls', () => {
    const broken = (): unknown => parseJson('{"a": \x1b[31m\n}', fault);
    expect(broken).toThrow(/^no JSON: .*\\x1b/);
    expect(broken).toThrow(
      expect.objectContaining({ code: 'PW_TEST', hint: 'mend it', where: { file: 'a.json' } }),
    );
  });
});
