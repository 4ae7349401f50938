import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelSettings } from '../src/options/settings.js';
import { lowerWithProgress } from '../src/train/lower-progress.js';
import { placewright, RECORDED, temporaryFolder, testIo } from './support.js';

describe('towers beyond the threads of an engine', () => {
  it('are refused before anything is compiled, with the largest number', async () => {
    const { code, out, err } = await placewright('train', '--model', 'lenet', '--num-gpus', '1000');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('PW_ENGINE_DEVICES');
    expect(err).toContain('the largest --num-gpus is 63; --engine reference takes more');
  });
});

describe('compiling that takes long', () => {
  const settings = modelSettings({ model: 'tiny', numGpus: 2 }, false);

  it('shows on stderr which pass is running, after the first second', () => {
    const io = testIo({ terminal: true, columns: 100 });
    let time = 0;
    const now = (): number => (time += 400);
    lowerWithProgress(io, settings, { silent: false, now });
    const shown = io.stderr.text.split('\r\x1b[K').slice(1);
    expect(shown.length).toBeGreaterThan(3);
    expect(shown[0]).toMatch(/^━+─+ {2}compiling: pass [2-9] of \d+, [a-z-]+ {2}1\.\d s$/);
    expect(io.stdout.text).toBe('');
  });

  it('says nothing when it is quick, or is to be silent', () => {
    const io = testIo({ terminal: true });
    lowerWithProgress(io, settings, { silent: false, now: () => 0 });
    let time = 0;
    lowerWithProgress(io, settings, { silent: true, now: () => (time += 5000) });
    expect(io.stderr.text).toBe('');
  });
});

describe('a file that cannot be taken', () => {
  const at = temporaryFolder();

  it('is named, with the same words for the same fault', async () => {
    const train = (...argv: string[]) =>
      placewright('train', '--model', 'tiny', '--engine', 'reference', ...argv);
    for (const [path, why] of [
      [at('.'), 'illegal operation on a directory'],
      [at('none'), 'no such file or directory'],
    ] as const) {
      expect((await train('--tensors', path)).err).toMatch(
        `PW_TENSORS_FILE]: cannot read the tensors: ${why}\n  at: ${path}\n`,
      );
      expect((await train('--options', path)).err).toMatch(
        `PW_FILE_READ]: cannot read the file: ${why}\n  at: ${path}\n`,
      );
    }
  });

  it('is named where its values do not fit the model', async () => {
    const file = at('other.json');
    const { initial, batch } = JSON.parse(readFileSync(join(RECORDED, 'tiny.tensors.json'), 'utf8'));
    const [[name, value] = []] = Object.entries(initial);
    writeFileSync(file, JSON.stringify({ initial: { [`${name}x`]: value }, batch }));
    const { code, err } = await placewright(
      'train',
      '--model',
      'tiny',
      '--engine',
      'reference',
      '--tensors',
      file,
    );
    expect(code).toBe(1);
    expect(err).toContain('PW_TENSORS_VARIABLE');
    expect(err).toContain(`at: ${file}\n`);
  });
});

describe('words that are nothing', () => {
  it('in place of a command are an error of help, too', async () => {
    const { code, out, err } = await placewright('help', 'trian');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('error[PW_USAGE_COMMAND]: there is no command "trian"');
    expect(err).toContain('did you mean train?');
    expect((await placewright('help')).code).toBe(0);
    expect((await placewright('help', 'train')).code).toBe(0);
  });

  it.each([
    ['compile', '--model', 'tiny', '--out', '-'],
    ['compile', '--model', 'tiny', '--json', '-'],
    ['train', '--model', 'tiny', '--report', '-'],
  ])('in place of a file are refused: %j', async (...argv) => {
    const { code, err } = await placewright(...argv);
    expect(code).toBe(1);
    expect(err).toContain('PW_OPTION_VALUE');
    expect(err).toContain('/dev/stdout');
    expect(existsSync('-')).toBe(false);
  });
});
