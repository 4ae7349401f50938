// Installs the dependencies with the pnpm that package.json names, and only when something about them changed.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, step } from './run.mjs';

const stamp = join(root, 'node_modules', '.placewright-installed');

/** A digest of every file that decides what an install does. */
function wanted() {
  const manifests = ['packages', 'examples'].flatMap((group) =>
    existsSync(join(root, group))
      ? readdirSync(join(root, group)).map((dir) => join(group, dir, 'package.json'))
      : [],
  );
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests.sort()]) {
    const path = join(root, file);
    if (existsSync(path)) hash.update(file).update('\0').update(readFileSync(path)).update('\0');
  }
  return hash.digest('hex');
}

const installed = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted();

/** Resolves to true when the dependencies are there. */
export async function install() {
  if (installed()) return true;
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  rmSync(stamp, { force: true });
  const ok = await step(
    'Installing dependencies',
    'npx',
    ['--yes', packageManager, 'install', '--frozen-lockfile'],
    // Under CI pnpm asks no questions.
    { env: { CI: 'true' } },
  );
  if (ok) writeFileSync(stamp, wanted());
  return ok;
}
