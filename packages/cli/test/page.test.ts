import { execFile } from 'node:child_process';
import { accessSync, constants, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { reportPage } from '../src/report/page.js';
import { sampleReport } from './sample-report.js';
import { temporaryFolder } from './support.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  ...['--enable-logging=stderr', '--dump-dom'],
];

function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder || '.', name)));
  return process.env.PLACEWRIGHT_CHROMIUM ?? paths.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const chromium = findChromium();
const at = temporaryFolder();

/** The page as the browser holds it, and what it complained of on the console. */
async function load(page: string): Promise<{ dom: string; complaints: string[] }> {
  const file = at('page.html');
  writeFileSync(file, page);
  const args = [...FLAGS, `--user-data-dir=${at('profile')}`, pathToFileURL(file).href];
  const { stdout, stderr } = await promisify(execFile)(chromium ?? '', args, { maxBuffer: 2 ** 26 });
  return {
    dom: stdout,
    complaints: stderr.split('\n').filter((line) => /CONSOLE|Refused|Content Security/.test(line)),
  };
}

describe.skipIf(chromium === undefined)('needs chromium: the report page', () => {
  it('is shown without a complaint', async () => {
    const { dom, complaints } = await load(reportPage(sampleReport({ towers: 3 })));
    expect(complaints).toEqual([]);
    for (const text of [
      '98.71 %',
      'lenet: replicated',
      'cpu worker 2',
      'autodiff',
      'loss (log scale)',
      'test: 98.71 %',
    ]) {
      expect(dom).toContain(text);
    }
    expect(dom.match(/<svg/g)).toHaveLength(3);
  });

  it('does not run what is in names', async () => {
    const { dom, complaints } = await load(reportPage(sampleReport({ towers: 2, hostile: true })));
    expect(complaints).toEqual([]);
    expect(dom).not.toContain('<img');
    expect(dom).toContain('&lt;img');
    expect(dom.match(/<script/g)).toHaveLength(1);
  });

  it('would have noticed a complaint', async () => {
    const { complaints } = await load('<!doctype html><script>console.error("seen")</script>');
    expect(complaints.join()).toContain('seen');
  });
});
