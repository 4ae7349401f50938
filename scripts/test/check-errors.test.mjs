import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkErrors, codesOf, documentedCodes, ERRORS_PAGE } from '../check-errors.mjs';

const PAGE = ['| code | means | do |', '| --- | --- | --- |', '| `PW_A` | a | do a |', ''].join('\n');
let root;

function write(path, text) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'check-errors-'));
  write(ERRORS_PAGE, PAGE);
  write('packages/ir/src/a.ts', "throw new Error('PW_A');");
});

afterEach(() => rmSync(root, { recursive: true }));

test('the codes of this project are all documented, and nothing else is', () => {
  expect(checkErrors(join(import.meta.dirname, '..', '..'))).toEqual([]);
});

test('codes are found in strings, templates and comments, with their lines', () => {
  const text = [
    "fail('PW_ONE');",
    'const options = { code: `PW_TWO` };',
    '/** Throws PW_ONE,',
    ' * PW_SOME_*. */',
    "print('warning[PW_THREE]: …');",
    'fail(`PW_$' + '{name}`);',
  ].join('\n');
  const { used, mentioned, composed } = codesOf('a.ts', text);
  expect(used.map(({ code, line }) => `${line} ${code}`)).toEqual(['1 PW_ONE', '2 PW_TWO', '5 PW_THREE']);
  expect(mentioned.map(({ code, line }) => `${line} ${code}`)).toEqual(['3 PW_ONE', '4 PW_SOME_*']);
  expect(composed).toEqual([{ code: 'PW_', line: 6 }]);
});

test('rows of the page are read, a bar in a cell included', () => {
  expect(documentedCodes('text\n| `PW_A` | a \\| b | do |\n| other | x | y |')).toEqual([
    { code: 'PW_A', cells: ['a \\| b', 'do'], line: 2 },
  ]);
});

test('a page and sources that agree are left alone', () => {
  write('packages/ir/src/b.ts', "// Throws PW_A or another of PW_*\nfail('PW_A');");
  expect(checkErrors(root)).toEqual([]);
});

describe('what is refused', () => {
  test('a code without a row, named once', () => {
    write('packages/ir/src/b.ts', "fail('PW_A');\nfail('PW_B');\nfail('PW_B');");
    expect(checkErrors(root)).toEqual([
      'packages/ir/src/b.ts:2: PW_B is not in docs/errors.md; add a row for it',
    ]);
  });

  test('a row without a code', () => {
    write(ERRORS_PAGE, `${PAGE}| \`PW_B\` | b | do b |\n`);
    expect(checkErrors(root)).toEqual(['docs/errors.md:4: no source uses PW_B any more; remove its row']);
  });

  test('a second row, and a row with an empty cell', () => {
    write(ERRORS_PAGE, `${PAGE}| \`PW_A\` | a | do |\n| \`PW_B\` | | do |\n`);
    expect(checkErrors(root)).toEqual([
      'docs/errors.md:4: PW_A has a row already; keep one',
      'docs/errors.md:5: the row of PW_B needs three cells: code, what it means, what to do',
    ]);
  });

  test('a code that only a comment knows, and a code put together at run time', () => {
    write('packages/ir/src/b.ts', '// Throws PW_GONE, PW_GONE_*.\nfail(`PW_$' + '{name}`);');
    expect(checkErrors(root)).toEqual([
      'packages/ir/src/b.ts:1: a comment names PW_GONE, which no source uses; correct it',
      'packages/ir/src/b.ts:1: a comment names PW_GONE_*, which no source uses; correct it',
      'packages/ir/src/b.ts:2: "PW_" is no whole code; write codes out',
    ]);
  });
});
