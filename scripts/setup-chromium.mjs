// Tests of the report page need a Chromium. Where none is found, one is installed only if that was asked for: by
// CI=true or PLACEWRIGHT_SETUP=1, on a Debian or Ubuntu on which we are root. Anywhere else a line says what to type, and
// those tests are skipped. By hand: `PLACEWRIGHT_SETUP=1 node scripts/setup-chromium.mjs`.
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

/**
 * What to do about a machine: nothing more than `use` a path, `install` with apt, or say a line (`tell`).
 * @param {{ found?: string, env: Record<string, string | undefined>, root: boolean, apt: boolean }} machine
 */
export function planFor({ found, env, root, apt }) {
  if (found !== undefined) return { use: found };
  const asked = env.CI === 'true' || env.PLACEWRIGHT_SETUP === '1';
  if (asked && root && apt) return { install: APT_PACKAGES };
  const how = apt
    ? `${root ? '' : 'sudo '}apt-get install ${APT_PACKAGES.join(' ')}`
    : 'install Chromium or Chrome, and name it in PLACEWRIGHT_CHROMIUM where it is not on the PATH';
  return { tell: `No Chromium: tests of the report page are skipped. To run them: ${how}` };
}

async function installWithApt(packages) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (title, args) => step(title, 'apt-get', ['-qq', ...args], { env, timeoutMs: 300_000 });
  if (await apt('Updating the package index for Chromium', ['update'])) {
    await apt('Installing Chromium for page tests', [
      'install',
      '--yes',
      '--no-install-recommends',
      ...packages,
    ]);
  }
}

/** Finds a Chromium, installs it where that was asked for, or says how to. Resolves to its path, or undefined. */
export async function ensureChromium() {
  const plan = planFor({
    found: findChromium(),
    env: process.env,
    root: process.getuid?.() === 0,
    apt: findProgram('apt-get') !== undefined,
  });
  if (plan.tell !== undefined) console.log(plan.tell);
  if (plan.install !== undefined) await installWithApt(plan.install);
  return findChromium();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = await ensureChromium();
  if (path !== undefined) console.log(`Chromium: ${path}`);
}
