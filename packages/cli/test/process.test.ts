import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './support.js';

const PACKAGE = join(import.meta.dirname, '..');
const COMMAND = join(PACKAGE, 'bin/placewright.js');
const TINY = ['train', '--model', 'tiny', '--num-gpus', '2', '--silence', 'PW_IMBALANCE'];
const at = temporaryFolder();

/** Starts the built command; `onOutput` sees all that was written to its output so far. */
function start(
  argv: readonly string[],
  onOutput: (text: string, child: ChildProcessWithoutNullStreams) => void = () => {},
) {
  const child = spawn(process.execPath, [COMMAND, ...argv]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
    onOutput(out, child);
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

describe('the built command', () => {
  it('is built', () => {
    expect(existsSync(join(PACKAGE, 'dist/main.js')), 'run `npm run build` first').toBe(true);
  });

  it('shows its version', async () => {
    const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
    expect(await start(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it('ends with the code of its error', async () => {
    const { code, err } = await start(['compile', '--model', 'lenett']);
    expect(code).toBe(1);
    expect(err).toContain('did you mean lenet?');
    expect((await start(['compil'])).code).toBe(2);
  });

  it.each([
    ['reference', 'SIGINT'],
    ['embedded', 'SIGINT'],
    ['embedded', 'SIGTERM'],
  ] as const)('stops a run of the %s engine at %s and writes what it has', async (engine, signal) => {
    const page = at(`${engine}.${signal}.html`);
    let pressed = false;
    const argv = [...TINY, '--engine', engine, '--steps', '1000000', '--report', page];
    const { code, out, err } = await start(argv, (text, child) => {
      if (pressed || !text.includes('/device:GPU:1')) return;
      pressed = true;
      setTimeout(() => child.kill(signal), 600);
    });
    expect(err).toContain('Stopping after this step');
    expect(code).toBe(130);
    expect(out).toMatch(/Stopped: \d+ of 1000000 steps/);
    expect(readFileSync(page, 'utf8')).toContain('Stopped by hand');
  });

  it('goes on to its end and writes its files when nobody reads its output any more', async () => {
    const page = at('unread.html');
    const argv = [...TINY, '--engine', 'reference', '--steps', '100', '--report', page];
    const { code, out, err } = await start(argv, (_text, child) => child.stdout.destroy());
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).not.toContain('Test accuracy');
    expect(readFileSync(page, 'utf8')).toContain('100 of 100');
  });

  it.runIf(existsSync('/dev/full'))('says that its output is lost on a full device', async () => {
    const page = at('lost.html');
    const argv = ['train', '--model', 'tiny', '--steps', '3', '--engine', 'reference', '--report', page];
    const child = spawn(process.execPath, [COMMAND, ...argv], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    });
    let err = '';
    child.stderr?.on('data', (chunk) => {
      err += chunk;
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(1);
    expect(err).toMatch(/^error\[PW_OUTPUT_WRITE\]: cannot write to the output: .*no space.*\n {2}do: .*\n$/);
    expect(existsSync(page)).toBe(true);
  });
});
