import { expect, test } from 'vitest';
import { readReport, summaryLine } from '../lib/report.mjs';

const one = (title, status, ancestorTitles = []) => ({ title, status, ancestorTitles, fullName: title });
const file = (name, assertionResults, more = {}) => ({
  name: `/project/${name}`,
  status: 'passed',
  startTime: 1000,
  endTime: 3500,
  assertionResults,
  ...more,
});
const read = (testResults, { ci = false, numTotalTests } = {}) => {
  const listed = testResults.flatMap((result) => result.assertionResults).length;
  return readReport({ testResults, numTotalTests: numTotalTests ?? listed }, { root: '/project', ci });
};

const mixed = [
  file('packages/ir/test/a.test.ts', [
    one('a', 'passed'),
    one('b', 'skipped'),
    one('needs a GPU', 'skipped'),
  ]),
  file('packages/ir/test/b.test.ts', [one('c', 'passed'), one('later', 'todo')]),
  file('packages/passes/test/c.test.ts', [one('d', 'failed')], { status: 'failed' }),
];

test('results are added up, for the whole and for each package', () => {
  const totals = read(mixed);
  expect(summaryLine(totals)).toBe('2 passed, 1 failed, 3 skipped');
  expect(totals.packages.get('ir')).toEqual({ passed: 2, failed: 0, skipped: 3, seconds: 5 });
  expect(totals.packages.get('passes')).toEqual({ passed: 0, failed: 1, skipped: 0, seconds: 2.5 });
  expect(totals.files).toContain('packages/passes/test/c.test.ts');
});

test('in CI a skipped test that needs something is a failure, and is named', () => {
  const totals = read(mixed, { ci: true });
  expect(summaryLine(totals)).toBe('2 passed, 2 failed, 2 skipped');
  expect(totals.notes).toEqual(['packages/ir/test/a.test.ts: skipped, which fails in CI: needs a GPU']);
});

test('the name of a describe block counts for the tests in it', () => {
  const inBlock = [file('scripts/test/a.test.mjs', [one('draws', 'pending', ['page', 'needs chromium'])])];
  expect(summaryLine(read(inBlock, { ci: true }))).toBe('0 passed, 1 failed, 0 skipped');
  expect(summaryLine(read(inBlock))).toBe('0 passed, 0 failed, 1 skipped');
});

test('a file that fails before its tests is one failure', () => {
  const broken = [
    file('packages/ir/test/a.test.ts', [], { status: 'failed', message: 'no such module\n at' }),
  ];
  const totals = read(broken);
  expect(summaryLine(totals)).toBe('0 passed, 1 failed, 0 skipped');
  expect(totals.notes[0]).toContain('failed outside of any test: no such module');
});

test('a report that does not add up, or is none, is refused', () => {
  expect(() => readReport({}, { root: '/project', ci: false })).toThrow('no "testResults"');
  expect(() => readReport(null, { root: '/project', ci: false })).toThrow('no "testResults"');
  expect(() => read(mixed, { numTotalTests: 7 })).toThrow('lists 6 tests but says that there are 7');
  expect(() => read([file('a', [one('x', 'strange')])])).toThrow('unknown status');
});
