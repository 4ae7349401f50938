// Prints where the facts of each recorded placement, as the built command gives them, differ from the recording, and how
// many agree. Fails unless all do.
//   npm run placements [-- DIR]
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from './lib/run.mjs';

export const PLACEMENTS = join(root, 'packages/testkit/data/goldens/placement');
const cli = join(root, 'packages/cli/bin/placewright.js');
/** Differences of a case that are printed. */
const SHOWN = 12;

/** Every recorded case of a folder with the places where ours differs: `[{ name, differences }]`. */
export async function comparePlacements(dir) {
  const { compareFacts } = await import('../packages/testkit/dist/compare-facts.js');
  const files = readdirSync(dir)
    .filter((file) => file.endsWith('.json'))
    .map((file) => join(dir, file));
  const { output } = await run(process.execPath, [cli, 'facts', '--options', ...files], { quiet: true });
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  const found = new Map(lines.map((line) => JSON.parse(line)).map((facts) => [facts.case, facts]));
  return files.map((file) => {
    const golden = JSON.parse(readFileSync(file, 'utf8'));
    return { name: golden.case, differences: differencesOf(golden, found.get(golden.case), compareFacts) };
  });
}

function differencesOf(golden, facts, compareFacts) {
  if (facts === undefined) return ['no facts were printed'];
  return 'error' in facts ? [`${facts.error.code}: ${facts.error.message}`] : compareFacts(golden, facts);
}

async function main(dir) {
  const started = performance.now();
  const cases = await comparePlacements(dir);
  for (const { name, differences } of cases)
    for (const difference of differences.slice(0, SHOWN)) console.log(`${name} ${difference}`);
  const agree = cases.filter(({ differences }) => differences.length === 0).length;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${agree} of ${cases.length} cases agree, ${seconds} s`);
  return agree === cases.length ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exit(await main(process.argv[2] ?? PLACEMENTS));
