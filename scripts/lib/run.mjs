// Starting other programs, with one short line for a person to follow: "Building … 1.9 s".
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** The tools that the scripts start, as files to run with this same Node. */
export const tools = {
  tsc: 'node_modules/typescript/bin/tsc',
  biome: 'node_modules/@biomejs/biome/bin/biome',
  vitest: 'node_modules/vitest/vitest.mjs',
};

/**
 * Runs a program to its end. Resolves, never rejects: a program that cannot be started has code 127.
 * @param {string} command
 * @param {string[]} args
 * @param {{ quiet?: boolean, env?: Record<string, string>, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number, output: string, seconds: number }>}
 */
export function run(command, args, { quiet = false, env = {}, timeoutMs = 0 } = {}) {
  const started = performance.now();
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
      // npx is a .cmd file on Windows, which only a shell can start.
      shell: process.platform === 'win32' && command === 'npx',
      timeout: timeoutMs,
    });
    const end = (code) => resolve({ code, output, seconds: (performance.now() - started) / 1000 });
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.on('error', (error) => {
      output += `${error.message}\n`;
      end(127);
    });
    // A child that a signal ended has no code.
    child.on('close', (code) => end(code ?? 1));
  });
}

/** Runs a program quietly under a title; what it wrote is shown only when it fails. Resolves to success. */
export async function step(title, command, args, options = {}) {
  process.stdout.write(`${title} … `);
  const { code, output, seconds } = await run(command, args, { quiet: true, ...options });
  process.stdout.write(`${code === 0 ? '' : 'FAILED, '}${seconds.toFixed(1)} s\n`);
  if (code !== 0) process.stdout.write(`${output.trimEnd()}\n`);
  return code === 0;
}

export const node = (title, args, options) => step(title, process.execPath, args, options);

export const build = () => node('Building', [tools.tsc, '-b']);
