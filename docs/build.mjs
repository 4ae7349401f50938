// `npm run docs`: writes the generated sections of the documents anew. They stand between
//   <!-- generated: NAME ARGUMENTS --> and <!-- end -->
// and come from the built packages, so `npm run build` goes first. `--check` writes nothing and fails when one is stale.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GENERATORS } from './lib/generators.mjs';
import { fillSections } from './lib/sections.mjs';

export const root = join(import.meta.dirname, '..');

/** Documents that may have generated sections, as paths from the root. */
export function pages() {
  const markdown = (dir) => readdirSync(join(root, dir)).filter((name) => name.endsWith('.md'));
  return [...markdown('.'), ...markdown('docs').map((name) => `docs/${name}`)];
}

export const readPage = (page) => readFileSync(join(root, page), 'utf8');
export const renderPage = (page) => fillSections(readPage(page), GENERATORS, page);

function main(check) {
  const stale = pages().filter((page) => renderPage(page) !== readPage(page));
  for (const page of stale) {
    if (!check) writeFileSync(join(root, page), renderPage(page));
    console.log(check ? `${page} is stale; run npm run docs` : `wrote ${page}`);
  }
  if (stale.length === 0) console.log('the generated sections are up to date');
  if (check && stale.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.includes('--check'));
