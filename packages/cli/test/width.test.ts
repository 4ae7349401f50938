import { describe, expect, it } from 'vitest';
import { run } from '../src/run.js';
import { type Column, formatTable, hanging, wrap } from '../src/ui/table.js';
import { testIo } from './support.js';

const longest = (text: string): string =>
  text.split('\n').reduce((most, line) => (line.length > most.length ? line : most), '');

const STRATEGIES = ['independent', 'parameter_server', 'replicated', 'distributed_replicated'];

describe('what a command prints', () => {
  it.each([
    ...['train', 'compile', 'facts', 'verify', 'strategies', 'passes', 'models', 'engines'].map((name) => [
      'help',
      name,
    ]),
    ['--help'],
    ['strategies'],
    ['strategies', '--legal'],
    ...STRATEGIES.map((name) => ['strategies', name]),
    ['passes'],
    ['passes', 'place-variables'],
    ['passes', 'aggregate-gradients'],
    ['models'],
    ['engines'],
    ['engines', '--ops'],
    ['compile', '--model', 'tiny', '--num-gpus', '12'],
    [
      'compile',
      '--model',
      'tiny',
      '--num-gpus',
      '2',
      '--strategy',
      'independent',
      '--local-parameter-device',
      'cpu',
    ],
    [
      'train',
      '--model',
      'tiny',
      '--num-gpus',
      '12',
      '--strategy',
      'replicated',
      '--steps',
      '1',
      '--engine',
      'reference',
      '--batch-size',
      '1',
    ],
  ])('fits 80 columns: %j', async (...argv) => {
    const io = testIo({ columns: 80 });
    expect(await run(argv, io)).toBe(0);
    expect(longest(io.stdout.text).length, longest(io.stdout.text)).toBeLessThanOrEqual(80);
    expect(longest(io.stderr.text).length, longest(io.stderr.text)).toBeLessThanOrEqual(80);
  });

  it('takes what room a terminal has', async () => {
    const io = testIo({ terminal: true, columns: 200 });
    await run(['strategies'], io);
    expect(io.stdout.text.split('\n')).toHaveLength(STRATEGIES.length + 2);
  });

  it('can be copied into a shell where an example is broken', async () => {
    const io = testIo();
    await run(['help', 'train'], io);
    const joined = io.stdout.text.replace(/ \\\n {4}/g, ' ');
    expect(joined).toContain('--num-gpus 2 --reduction mean --report report.html\n');
  });
});

describe('a table that is too wide', () => {
  const rows = [
    { name: 'a', text: 'some words to be broken', count: 12 },
    { name: '/job:worker/replica:0/task:0/device:GPU:0', text: 'one', count: 5 },
  ];
  const name: Column<(typeof rows)[number]> = { title: 'name', text: (row) => row.name };
  const text: typeof name = { title: 'text', text: (row) => row.text };
  const count: typeof name = { title: 'count', right: true, text: (row) => String(row.count) };

  it('is broken inside of its columns', () => {
    expect(formatTable([count, text], rows, 25)).toBe(
      ['count  text', '   12  some words to be', '       broken', '    5  one'].join('\n'),
    );
  });

  it('gives the first cells lines of their own where that is not enough', () => {
    expect(formatTable([name, count, text], rows, 45)).toBe(
      [
        'name',
        '  count  text',
        'a',
        '     12  some words to be broken',
        '/job:worker/replica:0/task:0/device:GPU:0',
        '      5  one',
      ].join('\n'),
    );
  });

  it('leaves words that are longer than a line as they are', () => {
    expect(wrap('one extraordinarily two', 6, '  ')).toBe('one\n  extraordinarily\n  two');
    expect(hanging('a: ', 'b c d', 6)).toBe('a: b c\n   d');
  });
});
