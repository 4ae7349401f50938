import { countCases, shareOf } from './count.js';

// `npm run distribution [-- SEED CASES]`: what the random cases are made of.

const BAR = 40;
const [seed = 1, numRuns = 1000] = process.argv.slice(2).map(Number);
const distribution = countCases({ seed, numRuns });
console.log(`${numRuns} cases, seed ${seed}`);
for (const [question, answers] of distribution) {
  console.log(`\n${question}`);
  const rows = [...answers].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
  for (const [answer, count] of rows) {
    const share = shareOf(distribution, question, answer);
    const percent = `${(100 * share).toFixed(1)} %`;
    console.log(
      `  ${answer.padEnd(36)} ${String(count).padStart(6)} ${percent.padStart(7)} ${'█'.repeat(Math.round(BAR * share))}`,
    );
  }
}
