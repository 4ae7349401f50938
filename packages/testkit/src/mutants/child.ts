import { register } from 'node:module';
import { pathToFileURL } from 'node:url';

/**
 * `node child.js PASSES_INDEX CASES SEED MILLISECONDS`: checks all laws with the passes of that file in the place of the
 * real ones, and prints the report as JSON.
 */
const [entry = '', numRuns, seed, timeLimit] = process.argv.slice(2);
register('./hooks.js', import.meta.url, { data: pathToFileURL(entry).href });

// Only now, since imports that were resolved before the hook would be the real passes.
const { checkLaws } = await import('../check.js');
const { text, ...report } = checkLaws({
  numRuns: Number(numRuns),
  seed: Number(seed),
  timeLimit: Number(timeLimit),
  shrink: false,
});
process.stdout.write(`${JSON.stringify({ ...report, text: text.slice(0, 2000) })}\n`);
