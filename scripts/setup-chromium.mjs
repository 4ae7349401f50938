// Tests of the report page need a Chromium. Where none is found, and this machine is a Debian or Ubuntu on which
// we are root, it is installed; anywhere else nothing happens, and those tests say what they need.
// By hand: `node scripts/setup-chromium.mjs`. PLACEWRIGHT_NO_SETUP=1 keeps the machine as it is.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { step } from './lib/run.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const APT_PACKAGES = ['chromium'];

/** @returns {string | undefined} the path of a program */
function findProgram(name) {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(dir || '.', name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this directory
    }
  }
  return undefined;
}

/** The browser that page tests start: PLACEWRIGHT_CHROMIUM, or the first one found on the PATH. */
export function findChromium() {
  if (process.env.PLACEWRIGHT_CHROMIUM) return process.env.PLACEWRIGHT_CHROMIUM;
  for (const name of NAMES) {
    const path = findProgram(name);
    if (path) return path;
  }
  return undefined;
}

const canInstall = () =>
  !process.env.PLACEWRIGHT_NO_SETUP && process.getuid?.() === 0 && findProgram('apt-get') !== undefined;

/** Installs a Chromium where that is missing and possible. Resolves to its path, or undefined. */
export async function ensureChromium() {
  if (findChromium() === undefined && canInstall()) {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const apt = (title, args) => step(title, 'apt-get', ['-qq', ...args], { env, timeoutMs: 300_000 });
    const install = ['install', '--yes', '--no-install-recommends', ...APT_PACKAGES];
    if (await apt('Updating the package index for Chromium', ['update'])) {
      await apt('Installing Chromium for page tests', install);
    }
  }
  return findChromium();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(`Chromium: ${(await ensureChromium()) ?? 'none; tests that need a browser are skipped'}`);
}
