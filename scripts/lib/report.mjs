// Reads the JSON report of vitest into counts that can be added up.
import { isAbsolute, relative, sep } from 'node:path';

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 * @typedef {Counts & { seconds: number }} PackageCounts
 * @typedef {Counts & { packages: Map<string, PackageCounts>, files: Set<string>, notes: string[] }} Totals
 */

/** A test that is skipped because something real is missing (a browser, a GPU) is named "needs …". */
const NEEDS = /^needs /;

/** `packages/ir/test/a.test.ts` is counted under `ir`, `scripts/test/b.test.mjs` under `scripts`. */
function packageOf(file) {
  const [first, second] = file.split('/');
  return first === 'packages' ? second : first;
}

function outcomeOf(test, ci) {
  if (test.status === 'passed' || test.status === 'failed') return test.status;
  if (!['skipped', 'pending', 'todo', 'disabled'].includes(test.status)) {
    throw new Error(`the report has a test with the unknown status "${test.status}": ${test.fullName}`);
  }
  const titles = [...(test.ancestorTitles ?? []), test.title];
  return ci && titles.some((title) => NEEDS.test(title)) ? 'needed' : 'skipped';
}

/**
 * @param {any} report the parsed JSON report
 * @param {{ root: string, ci: boolean }} options with `ci`, a skipped "needs …" test is a failure
 * @returns {Totals}
 */
export function readReport(report, { root, ci }) {
  if (!Array.isArray(report?.testResults)) throw new Error('the report has no "testResults"');
  const totals = { passed: 0, failed: 0, skipped: 0, packages: new Map(), files: new Set(), notes: [] };
  let seen = 0;
  for (const result of report.testResults) {
    const path = isAbsolute(result.name) ? relative(root, result.name) : result.name;
    const file = path.split(sep).join('/');
    const name = packageOf(file);
    const counts = totals.packages.get(name) ?? { passed: 0, failed: 0, skipped: 0, seconds: 0 };
    totals.packages.set(name, counts);
    totals.files.add(file);
    counts.seconds += Math.max(0, (result.endTime ?? 0) - (result.startTime ?? 0)) / 1000;
    const add = (kind) => {
      counts[kind] += 1;
      totals[kind] += 1;
    };
    let failedHere = false;
    for (const test of result.assertionResults) {
      seen += 1;
      const outcome = outcomeOf(test, ci);
      failedHere ||= outcome === 'failed';
      if (outcome === 'needed') totals.notes.push(`${file}: skipped, which fails in CI: ${test.fullName}`);
      add(outcome === 'needed' ? 'failed' : outcome);
    }
    if (result.status === 'failed' && !failedHere) {
      totals.notes.push(`${file}: failed outside of any test: ${String(result.message).split('\n')[0]}`);
      add('failed');
    }
  }
  if (seen !== report.numTotalTests) {
    throw new Error(`the report lists ${seen} tests but says that there are ${report.numTotalTests}`);
  }
  return totals;
}

/** @param {Counts} counts */
export const summaryLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;
