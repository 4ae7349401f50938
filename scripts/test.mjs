// `npm test`: installs, builds, checks and tests everything, and ends with one line that adds it all up.
// Each check counts as one test. `npm test -- --project ir` hands its arguments on to vitest.
// With CI=true, a test that is skipped for want of something real (its name begins with "needs ") is a failure.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { install } from './lib/install.mjs';
import { readReport, summaryLine } from './lib/report.mjs';
import { build, node, root, run, tools } from './lib/run.mjs';
import { ensureChromium } from './setup-chromium.mjs';
import { ensureForTests } from './setup-tensorflow.mjs';

const REPORT = join('reports', 'vitest.json');
const selection = process.argv.slice(2);
const ci = process.env.CI === 'true';

const CHECKS = [
  ['install', install],
  ['build', build],
  ['types of tests', () => node('Checking the types of tests', [tools.tsc, '-p', 'tsconfig.test.json'])],
  ['lint', () => node('Linting', [tools.biome, 'ci', '--colors=off', '.'])],
  ['dependencies', () => node('Checking which way imports point', ['scripts/check-deps.mjs'])],
];

const totals = { passed: 0, failed: 0, skipped: 0 };
const notes = [];

function fail(note) {
  totals.failed += 1;
  notes.push(note);
}

async function runChecks() {
  for (const [name, check] of CHECKS) {
    if (await check()) totals.passed += 1;
    else fail(`the check "${name}" failed`);
    // Without its dependencies nothing else can run, and each thing that cannot is a failure.
    if (name === 'install' && totals.failed > 0) {
      for (const [missing] of CHECKS.slice(1)) fail(`the check "${missing}" could not run`);
      return false;
    }
  }
  return true;
}

/** Every test file on disk, so that one which no vitest project picks up cannot go unnoticed. */
function testFiles() {
  const below = (dir) =>
    existsSync(join(root, dir))
      ? readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
          if (['node_modules', 'dist', '.git', 'fixtures'].includes(entry.name)) return [];
          const path = `${dir}/${entry.name}`;
          if (entry.isDirectory()) return below(path);
          return /\.(test|spec)\.\w+$/.test(entry.name) ? [path] : [];
        })
      : [];
  return ['packages', 'examples', 'scripts'].flatMap(below);
}

async function runVitest() {
  rmSync(join(root, REPORT), { force: true });
  console.log('Running the tests');
  const { code } = await run(process.execPath, [
    ...[tools.vitest, 'run', ...selection],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`],
  ]);
  const report = readReport(JSON.parse(readFileSync(join(root, REPORT), 'utf8')), { root, ci });
  for (const kind of ['passed', 'failed', 'skipped']) totals[kind] += report[kind];
  notes.push(...report.notes);
  if (code !== 0 && report.failed === 0) fail(`vitest ended with code ${code}`);
  if (selection.length === 0) {
    for (const file of testFiles()) if (!report.files.has(file)) fail(`${file} was not run`);
  }
  console.log('Test time by package:');
  for (const [name, counts] of [...report.packages].sort()) {
    console.log(`  ${name.padEnd(12)} ${counts.seconds.toFixed(1).padStart(6)} s   ${summaryLine(counts)}`);
  }
}

try {
  if (await runChecks()) {
    await ensureChromium();
    await ensureForTests();
    await runVitest();
  } else fail('the tests could not run');
} catch (error) {
  fail(`the tests could not be counted: ${error.message}`);
}
for (const note of notes) console.log(`FAILED ${note}`);
console.log(summaryLine(totals));
process.exitCode = totals.failed === 0 ? 0 : 1;
