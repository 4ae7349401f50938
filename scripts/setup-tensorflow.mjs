// The benchmarks compare with a TensorFlow session where TensorFlow can be had: `tensorflow-cpu` in a virtual
// environment of the project's own (.venv-tensorflow), made on first use. Nothing else needs it.
// By hand: `node scripts/setup-tensorflow.mjs`. PLACEWRIGHT_PYTHON names the Python (3.9 or newer) to make it with.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run, step } from './lib/run.mjs';

export const TENSORFLOW_VERSION = '2.21.0';
const venv = join(root, '.venv-tensorflow');
const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

const works = async () =>
  existsSync(python) && (await run(python, ['-c', 'import tensorflow'], { quiet: true })).code === 0;

/** The virtual environment's Python, made when missing and possible; undefined, with the reason printed, when not. */
export async function ensureTensorFlow() {
  if (await works()) return python;
  const base = process.env.PLACEWRIGHT_PYTHON ?? 'python3';
  const found = await run(base, ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))'], { quiet: true });
  if (found.code !== 0) {
    console.log(`TensorFlow: no Python 3.9 or newer as "${base}"; name one in PLACEWRIGHT_PYTHON`);
    return undefined;
  }
  if (!(await step('Making a virtual environment for TensorFlow', base, ['-m', 'venv', venv])))
    return undefined;
  const install = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    `tensorflow-cpu==${TENSORFLOW_VERSION}`,
  ];
  if (!(await step('Installing tensorflow-cpu into it', python, install, { timeoutMs: 900_000 })))
    return undefined;
  return (await works()) ? python : undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(`TensorFlow: ${(await ensureTensorFlow()) ?? 'none'}`);
}
