import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { modelSettings } from '../src/options/settings.js';
import { lowerWithProgress } from '../src/train/lower-progress.js';
import { placewright, testIo } from './support.js';

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
