import { describe, expect, it } from 'vitest';
import { trainMeter } from '../src/train/progress-text.js';
import { formatBytes, formatDuration, formatLoss, formatPercent, plural } from '../src/ui/numbers.js';
import { bar, createProgress, rateMeter } from '../src/ui/progress.js';
import { formatTable } from '../src/ui/table.js';
import { captured } from './support.js';

it('sets tables in columns without trailing spaces', () => {
  const rows = [
    { name: 'a', count: 5 },
    { name: 'long', count: 1234 },
  ];
  const text = formatTable(
    [
      { title: 'count', right: true, text: ({ count }) => String(count) },
      { title: 'name', text: ({ name }) => name },
    ],
    rows,
    80,
  );
  expect(text).toBe('count  name\n    5  a\n 1234  long');
});

it.each([
  [formatBytes(0), '0 B'],
  [formatBytes(999), '999 B'],
  [formatBytes(999_600), '1 MB'],
  [formatBytes(1234), '1.23 kB'],
  [formatBytes(6_700_000), '6.7 MB'],
  [formatDuration(0.16), '0.2 s'],
  [formatDuration(9.96), '0:10'],
  [plural(1, 'step'), '1 step'],
  [plural(2, 'pass', 'passes'), '2 passes'],
  [formatDuration(125.4), '2:05'],
  [formatDuration(3723), '1:02:03'],
  [formatPercent(0.98456, 2), '98.46 %'],
  [formatPercent(null), '–'],
  [formatLoss(0.12345), '0.1235'],
  [formatLoss(Number.NaN), 'NaN'],
  [bar(0.5, 4), '━━──'],
])('shows %s', (shown, expected) => {
  expect(shown).toBe(expected);
});

describe('progress', () => {
  it('rewrites one line on a terminal, ten times a second at most', () => {
    const output = captured({ terminal: true, columns: 40 });
    let now = 0;
    const progress = createProgress(output, { now: () => now });
    progress.update(() => 'one');
    now = 50;
    progress.update(() => 'two');
    now = 200;
    progress.update((width) => 'x'.repeat(width + 9));
    progress.finish();
    expect(output.text).toBe(`\r\x1b[Kone\r\x1b[K${'x'.repeat(39)}\n`);
  });

  it('prints a line every few seconds elsewhere', () => {
    const output = captured();
    let now = 0;
    const progress = createProgress(output, { now: () => now });
    for (now = 0; now <= 11_000; now += 1000) progress.update(() => `at ${now}`);
    progress.finish(() => 'end');
    expect(output.text).toBe('at 5000\nat 10000\nend\n');
  });

  it('can be silent', () => {
    const output = captured();
    const progress = createProgress(output, { silent: true });
    progress.update(() => 'x');
    progress.finish(() => 'x');
    expect(output.text).toBe('');
  });

  it('shows step, loss, accuracy, images a second and the time left', () => {
    const meter = trainMeter(100);
    for (let step = 1; step <= 50; step++) {
      meter.add({ step, loss: 0.5, correct: 32, examples: 64, elapsedMs: step * 100 });
    }
    expect(meter.text(60)).toBe(
      'step  50/100  loss (mean of 20) 0.5000  accuracy 50.0 %  640 images/s  5.0 s left',
    );
    expect(meter.endText(60)).toMatch(/ 640 images\/s {2}in 5\.0 s$/);
    expect(meter.text(120)).toMatch(/^━{10}─{10} {2}step/);
    expect(meter.text(90)).toMatch(/^━+─+ {2}step/);
  });

  it('forgets old speeds', () => {
    const rate = rateMeter(1000);
    for (let ms = 1000; ms <= 5000; ms += 1000) rate.add(10, ms);
    for (let ms = 5100; ms <= 8000; ms += 100) rate.add(10, ms);
    expect(rate.perSecond()).toBeCloseTo(100, 5);
  });
});
