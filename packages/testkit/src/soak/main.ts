import { crossCheck } from '@placewright/interp';
import { checkLaws } from '../check.js';
import { checkRules } from '../models/check.js';

// `npm run soak [-- --seconds N] [--seed S]`: the verifier's proofs against all schedules of small clusters, then all laws
// and all rules of placement on ever new cases, until one breaks or the time is up.

const CASES = 50;
/** Placements of each rule beside so many cases. */
const PLACEMENTS = 100;
const CLUSTERS = 1000;

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? Number.NaN : Number(process.argv[at + 1]);
  return Number.isFinite(value) ? value : fallback;
}

function soakProofs(seed: number): boolean {
  const { clusters, states, faulty, failures } = crossCheck({ count: CLUSTERS, seed });
  console.log(`the proofs and all schedules of ${clusters} clusters: ${states} states, ${faulty} faulty`);
  for (const { seed: at, missed, false: wrong, unreplayed } of failures)
    console.log(
      `  seed ${at} missed ${missed.join()} false ${wrong.join()} not replayed ${unreplayed.length}`,
    );
  return failures.length === 0;
}

function soak(): boolean {
  const seconds = option('seconds', 600);
  const first = option('seed', Date.now() % 1_000_000);
  if (!soakProofs(first)) return false;
  console.log(`all laws for ${seconds} s, from seed ${first}`);
  const started = performance.now();
  let cases = 0;
  let placements = 0;
  for (let seed = first; performance.now() - started < seconds * 1000; seed++) {
    const laws = checkLaws({ seed, numRuns: CASES });
    const rules = checkRules({ seed, numRuns: PLACEMENTS });
    const broken = [laws, rules].find(({ ok }) => !ok);
    if (broken !== undefined) {
      console.log(`\n${broken.text}`);
      return false;
    }
    cases += laws.runs;
    placements += rules.runs;
    const passed = Math.round((performance.now() - started) / 1000);
    process.stdout.write(`\r${cases} cases, seed ${seed}, ${passed} of ${seconds} s   `);
  }
  console.log(`\nall laws held in ${cases} cases, all rules of placement in ${placements} placements`);
  return true;
}

process.exitCode = soak() ? 0 : 1;
