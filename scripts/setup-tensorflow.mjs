// Two things of Python's, in a virtual environment of the project's own (.venv-tensorflow), made on first use:
// `tensorflow-cpu`, which benchmarks compare with and tests run GraphDefs with, and `safetensors`, which a test reads
// checkpoints with. `npm test` installs them where it was asked for, by CI=true or PLACEWRIGHT_SETUP=1; anywhere else a
// line says what to type, and the tests are skipped. Nothing else needs either.
// By hand: `node scripts/setup-tensorflow.mjs`. PLACEWRIGHT_PYTHON names the Python (3.9 or newer) to make it with.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run, step } from './lib/run.mjs';

/** As `placewright cluster up` installs it: one version for all. */
const requirements = readFileSync(join(root, 'packages/cluster/python/requirements.txt'), 'utf8');
export const TENSORFLOW_VERSION = /^tensorflow-cpu==(\S+)/m.exec(requirements)[1];
export const SAFETENSORS_VERSION = '0.7.0';
const venv = join(root, '.venv-tensorflow');
const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

/** A package with what it is imported as, pinned. */
const TENSORFLOW = {
  name: `tensorflow-cpu==${TENSORFLOW_VERSION}`,
  module: 'tensorflow',
  title: 'tensorflow-cpu',
};
const SAFETENSORS = {
  name: `safetensors[numpy]==${SAFETENSORS_VERSION}`,
  module: 'safetensors.numpy',
  title: 'safetensors',
};

const has = async ({ module }) =>
  existsSync(python) &&
  // Found, not imported: TensorFlow takes seconds for that.
  (
    await run(python, ['-c', `import importlib.util as u, sys; sys.exit(u.find_spec("${module}") is None)`], {
      quiet: true,
    })
  ).code === 0;

/** Makes the virtual environment, where it is missing and can be made, with the reason printed when not. */
async function ensureVenv(title) {
  if (existsSync(python)) return true;
  const base = process.env.PLACEWRIGHT_PYTHON ?? 'python3';
  const found = await run(base, ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))'], { quiet: true });
  if (found.code !== 0) {
    console.log(`${title}: no Python 3.9 or newer as "${base}"; name one in PLACEWRIGHT_PYTHON`);
    return false;
  }
  return step(`Making a virtual environment for ${title}`, base, ['-m', 'venv', venv]);
}

/** The virtual environment's Python with a package; undefined, with the reason printed, where it cannot be had. */
async function ensure(wanted) {
  if (await has(wanted)) return python;
  if (!(await ensureVenv(wanted.title))) return undefined;
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', wanted.name];
  if (!(await step(`Installing ${wanted.title} into it`, python, install, { timeoutMs: 900_000 })))
    return undefined;
  return (await has(wanted)) ? python : undefined;
}

/** The Python that has TensorFlow, made when missing and possible. */
export const ensureTensorFlow = () => ensure(TENSORFLOW);

/** What tests use of it: installed only where that was asked for, as a Chromium is. */
const FOR_TESTS = [
  [SAFETENSORS, 'the test that reads checkpoints with it is skipped'],
  [TENSORFLOW, 'the tests with real servers, and those that run GraphDefs, are skipped'],
];

/** Readies the environment for the tests, or says what is skipped without it. */
export async function ensureForTests(env = process.env) {
  for (const [wanted, skipped] of FOR_TESTS) {
    if (await has(wanted)) continue;
    if (env.CI === 'true' || env.PLACEWRIGHT_SETUP === '1') await ensure(wanted);
    else
      console.log(`No ${wanted.title}: ${skipped}. To run what needs it: node scripts/setup-tensorflow.mjs`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(`safetensors: ${(await ensure(SAFETENSORS)) ?? 'none'}`);
  console.log(`TensorFlow: ${(await ensureTensorFlow()) ?? 'none'}`);
}
