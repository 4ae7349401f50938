import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { checkDistinct, checkWritable, prepareWrite, readText, writeAtomically } from '../src/files.js';
import { temporaryFolder } from './support.js';

const at = temporaryFolder();

it('writes a file and leaves nothing else', () => {
  writeAtomically(at('a.txt'), 'one');
  writeAtomically(at('a.txt'), 'two');
  expect(readText(at('a.txt'))).toBe('two');
  expect(readdirSync(dirname(at('a.txt'))).filter((name) => name.includes('a.txt'))).toEqual(['a.txt']);
});

it('replaces what a link points to, not the link', () => {
  writeFileSync(at('target'), 'old');
  symlinkSync(at('target'), at('link'));
  writeAtomically(at('link'), 'new');
  expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(at('target'), 'utf8')).toBe('new');
});

it('writes where a link points to, when nothing is there yet', () => {
  mkdirSync(at('elsewhere'));
  symlinkSync('elsewhere/new', at('second'));
  symlinkSync(at('second'), at('first'));
  checkWritable(at('first'));
  writeAtomically(at('first'), 'new');
  expect(lstatSync(at('first')).isSymbolicLink() && lstatSync(at('second')).isSymbolicLink()).toBe(true);
  expect(readFileSync(at('elsewhere/new'), 'utf8')).toBe('new');
});

it('refuses a link to itself', () => {
  symlinkSync(at('circle'), at('circle'));
  expect(() => checkWritable(at('circle'))).toThrow(expect.objectContaining({ code: 'PW_FILE_WRITE' }));
});

it.each([0o640, 0o666, 0o755])('keeps the mode of what it replaces: %i', (mode) => {
  writeFileSync(at('mode'), 'old');
  chmodSync(at('mode'), mode);
  writeAtomically(at('mode'), 'new');
  expect(statSync(at('mode')).mode & 0o7777).toBe(mode);
});

it('prepares a file that takes its place later or never', () => {
  writeFileSync(at('prepared'), 'old');
  prepareWrite(at('prepared'), 'never').discard();
  const write = prepareWrite(at('prepared'), 'new');
  expect(readText(at('prepared'))).toBe('old');
  write.commit();
  write.discard();
  expect(readText(at('prepared'))).toBe('new');
  expect(readdirSync(at('')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

it('does not replace a device by a file', () => {
  checkWritable('/dev/null');
  writeAtomically('/dev/null', 'nothing');
  expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
});

it.runIf(existsSync('/dev/full'))('reports a full device', () => {
  expect(() => writeAtomically('/dev/full', 'text')).toThrow(/cannot write the file: no space left/);
});

it('refuses a folder, a missing folder and a file in the place of a folder', () => {
  mkdirSync(at('folder'));
  writeFileSync(at('file'), '');
  for (const path of [at('folder'), at('missing/x'), at('file/x')]) {
    expect(() => checkWritable(path)).toThrow(
      expect.objectContaining({ code: 'PW_FILE_WRITE', where: { file: path } }),
    );
    expect(() => writeAtomically(path, '')).toThrow(expect.objectContaining({ code: 'PW_FILE_WRITE' }));
  }
});

it('leaves no trace of a check', () => {
  checkWritable(at('never'));
  expect(readdirSync(dirname(at('never'))).filter((name) => name.includes('never'))).toEqual([]);
});

it('refuses the same file for two outputs', () => {
  expect(() => checkDistinct([at('x'), undefined, at('./y/../x')])).toThrow(
    expect.objectContaining({ code: 'PW_FILE_SAME' }),
  );
  checkDistinct([at('x'), at('y'), undefined, undefined]);
});

it('says why a file cannot be read', () => {
  expect(() => readText(at('none'))).toThrow(expect.objectContaining({ code: 'PW_FILE_READ' }));
});

it('says that a file is too large for a text, without reading it', () => {
  writeFileSync(at('huge'), '');
  truncateSync(at('huge'), 2 ** 30);
  expect(() => readText(at('huge'))).toThrow(
    expect.objectContaining({ code: 'PW_FILE_READ', message: expect.stringContaining('1073741824 bytes') }),
  );
});
