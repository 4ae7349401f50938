import { register } from 'node:module';
import { pathToFileURL } from 'node:url';

/**
 * `node child.js PASSES_INDEX CASES SEED MILLISECONDS [rules]`: checks all laws, or the rules of placement, with the passes
 * of that file in the place of the real ones, and prints the report as JSON.
 */
/** Placements of each rule: enough for the rarest edge, names of queues that collide. */
const PLACEMENTS = 200;
const [entry = '', cases, seeded, timeLimit, shownBy = 'laws'] = process.argv.slice(2);
register('./hooks.js', import.meta.url, { data: pathToFileURL(entry).href });

// Only now, since imports that were resolved before the hook would be the real passes.
const { checkLaws } = await import('../check.js');
const { checkRules } = await import('../models/check.js');
const common = { seed: Number(seeded), shrink: false };
const checked =
  shownBy === 'rules'
    ? checkRules({ ...common, numRuns: PLACEMENTS })
    : checkLaws({ ...common, numRuns: Number(cases), timeLimit: Number(timeLimit) });
const { text, ...report } = checked;
process.stdout.write(`${JSON.stringify({ ...report, text: text.slice(0, 2000) })}\n`);
