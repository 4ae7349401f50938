import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlacewrightError } from '@placewright/ir';

/** Where TensorFlow's Python comes from. */
export interface PythonOptions {
  /** The Python of an environment that has TensorFlow: for one with GPUs, say. */
  readonly python?: string;
  /** Where the project's own virtual environment is, or is made; found from the working folder upwards when left out. */
  readonly venv?: string;
  /** Whether the virtual environment may be made where it is missing; no when left out. */
  readonly install?: boolean;
  /** Told what goes on, a line at a time. */
  readonly onProgress?: (line: string) => void;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Our own Python programs, beside `src` and `dist`. */
export const PYTHON_FOLDER = fileURLToPath(new URL('../../python', import.meta.url));
const REQUIREMENTS = join(PYTHON_FOLDER, 'requirements.txt');
const VENV = '.venv-tensorflow';
const windows = process.platform === 'win32';
const HAS_TENSORFLOW = 'import importlib.util as u, sys; sys.exit(u.find_spec("tensorflow") is None)';
const IS_NEW_ENOUGH = 'import sys; sys.exit(sys.version_info < (3, 10))';
const INSTALL_MS = 1_800_000;

/**
 * A Python that has TensorFlow: the one that was named (or `PLACEWRIGHT_TENSORFLOW_PYTHON`), else that of the project's
 * virtual environment, which is made where that is allowed. Throws PW_CLUSTER_PYTHON, PW_CLUSTER_TENSORFLOW,
 * PW_CLUSTER_INSTALL.
 */
export async function findTensorFlow(options: PythonOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const named = options.python ?? env.PLACEWRIGHT_TENSORFLOW_PYTHON;
  if (named !== undefined) return checkNamed(named);
  const venv = options.venv ?? findVenv(process.cwd());
  const python = pythonOf(venv);
  if (existsSync(python) && (await exitCode(python, ['-c', HAS_TENSORFLOW])) === 0) return python;
  if (options.install !== true) throw noTensorFlow(venv);
  await install(venv, options);
  return python;
}

const pythonOf = (venv: string): string => join(venv, windows ? 'Scripts/python.exe' : 'bin/python');

async function checkNamed(python: string): Promise<string> {
  const code = await exitCode(python, ['-c', HAS_TENSORFLOW]);
  if (code === 0) return python;
  const fault = code === 127 ? 'cannot be started' : 'has no TensorFlow';
  throw new PlacewrightError(
    code === 127 ? 'PW_CLUSTER_PYTHON' : 'PW_CLUSTER_TENSORFLOW',
    `the Python ${JSON.stringify(python)} ${fault}`,
    { hint: `name one that has it with --python, or leave that out for an environment of the project's own` },
  );
}

/** The nearest folder upwards that has the environment, or may be given one: where a package.json is. */
function findVenv(from: string): string {
  const above = [resolve(from)];
  for (let dir = resolve(from); dirname(dir) !== dir; dir = dirname(dir)) above.push(dirname(dir));
  const home =
    above.find((dir) => existsSync(join(dir, VENV))) ??
    above.find((dir) => existsSync(join(dir, 'package.json')));
  return join(home ?? from, VENV);
}

function noTensorFlow(venv: string): PlacewrightError {
  return new PlacewrightError('PW_CLUSTER_TENSORFLOW', `there is no TensorFlow in ${venv}`, {
    hint: '`placewright cluster up` makes that environment (some 300 MB are fetched); --python names another one (`install: true`, `python`)',
  });
}

/** Makes the virtual environment, with the version that is tested. */
async function install(venv: string, options: PythonOptions): Promise<void> {
  const { onProgress = () => {}, env = process.env } = options;
  const requirements = await readFile(REQUIREMENTS, 'utf8');
  if (!existsSync(pythonOf(venv))) {
    const base = env.PLACEWRIGHT_PYTHON ?? (windows ? 'python' : 'python3');
    await checkBase(base);
    onProgress(`Making a virtual environment in ${venv}`);
    await must(base, ['-m', 'venv', venv], 'the virtual environment was not made');
  }
  const version = /^tensorflow[a-z-]*==\S+/m.exec(requirements)?.[0] ?? 'TensorFlow';
  onProgress(`Installing ${version} into it (some 300 MB, a few minutes)`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS];
  await must(pythonOf(venv), pip, `${version} was not installed`);
}

async function checkBase(base: string): Promise<void> {
  const code = await exitCode(base, ['-c', IS_NEW_ENOUGH]);
  if (code === 0) return;
  const fault =
    code === 127 ? `there is no Python as ${JSON.stringify(base)}` : `${base} is older than Python 3.10`;
  throw new PlacewrightError('PW_CLUSTER_PYTHON', fault, {
    hint: 'install Python 3.10 or newer (with its venv module), or name it in PLACEWRIGHT_PYTHON',
  });
}

async function must(command: string, args: readonly string[], fault: string): Promise<void> {
  const { code, output } = await execute(command, args);
  if (code === 0) return;
  throw new PlacewrightError('PW_CLUSTER_INSTALL', `${fault}: ${tail(output, 8)}`, {
    hint: 'with a network, and room on the disk, run it again; on Debian, venv is the package python3-venv',
  });
}

const exitCode = async (command: string, args: readonly string[]): Promise<number> =>
  (await execute(command, args)).code;

/** Runs a program to its end; one that cannot be started has code 127. */
function execute(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    let output = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: INSTALL_MS });
    const collect = (chunk: Buffer): void => {
      output = `${output}${chunk}`.slice(-20_000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', ({ message }) => done({ code: 127, output: message }));
    child.on('close', (code) => done({ code: code ?? 1, output }));
  });
}

/** The last lines of a text. */
export function tail(text: string, lines: number): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n  ');
}
