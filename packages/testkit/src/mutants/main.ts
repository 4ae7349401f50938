import { formatError, PlacewrightError } from '@placewright/ir';
import { FAULTS } from './faults.js';
import { clear } from './plant.js';
import { type FaultResult, isCaught, runFaults, runUnharmed } from './run.js';

// `npm run mutants [-- NAME…]`: plants every fault, and says which law or rule caught it.

const OPTIONS = { seed: 1, numRuns: 2000, timeLimit: 40_000 };

const row = (name: string, law: string, cases: string, seconds: string, summary: string): string =>
  `${name.padEnd(26)} ${law.padEnd(14)} ${cases.padStart(5)} ${seconds.padStart(8)}  ${summary}`;

function show({ fault, report }: FaultResult): void {
  const law = isCaught(report) ? (report.law ?? '') : report.ok ? 'NOT CAUGHT' : 'ONLY CRASHES';
  console.log(row(fault.name, law, String(report.runs), report.seconds.toFixed(1), fault.summary));
}

async function main(names: readonly string[]): Promise<boolean> {
  const faults = names.length === 0 ? FAULTS : FAULTS.filter(({ name }) => names.includes(name));
  console.log(row('fault', 'caught by', 'cases', 'seconds', 'what is wrong'));
  const results = await runFaults(faults, { ...OPTIONS, onResult: show });
  const unharmed = await runUnharmed({ ...OPTIONS, numRuns: 150 });
  console.log(
    row(
      '(none)',
      unharmed.ok ? 'all hold' : `${unharmed.law} BROKEN`,
      String(unharmed.runs),
      unharmed.seconds.toFixed(1),
      'the passes as they are',
    ),
  );
  if (!unharmed.ok) console.log(unharmed.text);
  const caught = results.filter(({ report }) => isCaught(report)).length;
  console.log(`${caught} of ${faults.length} caught`);
  return unharmed.ok && caught === faults.length;
}

try {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  console.error(error instanceof PlacewrightError ? formatError(error) : error);
  process.exitCode = 1;
} finally {
  clear();
}
