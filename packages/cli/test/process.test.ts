import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './support.js';

const PACKAGE = join(import.meta.dirname, '..');
const at = temporaryFolder();

/** Starts the built command; `onOutput` sees all that was written to its output so far. */
function start(argv: readonly string[], onOutput: (text: string, interrupt: () => void) => void = () => {}) {
  const child = spawn(process.execPath, [join(PACKAGE, 'bin/placewright.js'), ...argv]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
    onOutput(out, () => child.kill('SIGINT'));
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

  it.each(['reference', 'embedded'])(
    'stops a run of the %s engine at Ctrl-C and writes what it has',
    async (engine) => {
      const page = at(`${engine}.html`);
      let pressed = false;
      const argv = [
        'train',
        '--model',
        'tiny',
        '--num-gpus',
        '2',
        '--engine',
        engine,
        '--steps',
        '1000000',
        '--report',
        page,
      ];
      const { code, out, err } = await start(argv, (text, interrupt) => {
        if (pressed || !text.includes('/device:GPU:1')) return;
        pressed = true;
        setTimeout(interrupt, 600);
      });
      expect(err).toContain('Stopping after this step');
      expect(code).toBe(130);
      expect(out).toMatch(/Stopped: \d+ of 1000000 steps/);
      expect(readFileSync(page, 'utf8')).toContain('Stopped by hand');
    },
  );
});
