// Trains every recorded case on every engine through the command, as a user would, whole clusters in one process, and
// prints how far losses and final norms are from the recording: the largest relative difference of each case. Fails above
// 1e-5.
//   npm run goldens [-- DIR]
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './lib/run.mjs';

const LIMIT = 1e-5;
const ENGINES = ['reference', 'embedded'];
const STEPS = '15';
const cli = join(root, 'packages/cli/bin/placewright.js');

/** Recorded cases, those of one process and those of clusters, with their files. */
export function recordedCases(dir) {
  return readdirSync(dir)
    .filter((file) => file.endsWith('.json') && !file.endsWith('.tensors.json'))
    .map((file) => ({ file: join(dir, file), golden: JSON.parse(readFileSync(join(dir, file), 'utf8')) }));
}

/** Largest relative difference of a run from its recording; infinite where a loss or a norm is missing. */
export function largestDifference(golden, found) {
  if (!Array.isArray(golden.workers)) return differenceOf(golden.losses, golden.finalNorms, found);
  if (found.workers?.length !== golden.workers.length) return Infinity;
  return Math.max(
    ...golden.workers.map((worker, i) => {
      const own = found.workers[i];
      if (own.task !== worker.task || own.globalStep !== worker.global_step) return Infinity;
      return differenceOf(worker.losses, worker.final_norms, own);
    }),
  );
}

function differenceOf(losses, norms, found) {
  const relative = (want, have) =>
    have === undefined ? Infinity : Math.abs(have - want) / Math.max(Math.abs(want), 1e-12);
  return Math.max(
    ...losses.map((loss, i) => relative(loss, found.losses[i])),
    // A norm of zero has no relative difference: it must be zero.
    ...Object.entries(norms).map(([name, norm]) =>
      norm === 0 && found.finalNorms[name] === 0 ? 0 : relative(norm, found.finalNorms[name]),
    ),
  );
}

async function differenceOn(engine, { file, golden }, dir) {
  const tensors = join(dir, `${golden.options.model}.tensors.json`);
  const args = [
    cli,
    'train',
    '--options',
    file,
    '--tensors',
    tensors,
    '--steps',
    STEPS,
    '--engine',
    engine,
    '--json',
  ];
  const { code, output } = await run(process.execPath, args, { quiet: true });
  if (code !== 0) {
    console.error(output);
    return Infinity;
  }
  return largestDifference(golden, JSON.parse(output));
}

async function main(dir) {
  const cases = recordedCases(dir);
  const width = Math.max(...cases.map(({ golden }) => golden.case.length));
  console.log(`${'case'.padEnd(width)}  ${ENGINES.map((engine) => engine.padStart(9)).join('  ')}`);
  let worst = 0;
  for (const each of cases) {
    const row = [];
    for (const engine of ENGINES) row.push(await differenceOn(engine, each, dir));
    worst = Math.max(worst, ...row);
    console.log(
      `${each.golden.case.padEnd(width)}  ${row.map((d) => d.toExponential(1).padStart(9)).join('  ')}`,
    );
  }
  console.log(
    `${cases.length} cases × ${ENGINES.length} engines, largest relative difference ${worst.toExponential(1)}`,
  );
  return worst <= LIMIT ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exit(await main(process.argv[2] ?? join(root, 'packages/testkit/data/goldens/training')));
}
