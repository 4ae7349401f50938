import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The project's own virtual environment; `node scripts/setup-tensorflow.mjs` makes it. */
export const VENV = join(import.meta.dirname, '../../../../.venv-tensorflow');
export const PYTHON = join(VENV, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

export function hasTensorFlow(): boolean {
  if (!existsSync(PYTHON)) return false;
  try {
    const program = 'import importlib.util as u, sys; sys.exit(u.find_spec("tensorflow") is None)';
    execFileSync(PYTHON, ['-c', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
