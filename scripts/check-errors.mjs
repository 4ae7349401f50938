// Checks that docs/errors.md and the sources know the same error codes.
// A code is used where a string in the sources of a package has it; it is documented by the row of a table that begins
// with it.
//   node scripts/check-errors.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';

export const ERRORS_PAGE = 'docs/errors.md';

/** A code in a string; one that ends in `_` is put together at run time, which no search would find. */
const CODE = /\bPW_[A-Z0-9_]*/g;
/** A code, or a family of codes (`PW_DATA_*`), in a comment. */
const MENTION = /\bPW_[A-Z0-9_]*[A-Z0-9](?:_\*)?/g;
const ROW = /^\|\s*`(PW_[^`]*)`\s*\|(.*)\|\s*$/;

const lineAt = (text, offset) => text.slice(0, offset).split('\n').length;

function sourcesBelow(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sourcesBelow(path);
    return /\.[cm]?[jt]sx?$/.test(entry.name) ? [path] : [];
  });
}

/** The text of a string or of a piece of a template; undefined for anything else. */
function textOf(node) {
  if (node.type === 'Literal') return node.value;
  return node.type === 'TemplateElement' ? node.value.cooked : undefined;
}

/** The codes that a source uses, those that its comments name, and codes put together at run time, each with its line. */
export function codesOf(file, text) {
  const { program, comments } = parseSync(file, text);
  const found = { used: [], mentioned: [], composed: [] };
  const visit = (node) => {
    if (Array.isArray(node)) node.forEach(visit);
    if (typeof node?.type !== 'string') return;
    const value = textOf(node);
    for (const [code] of typeof value === 'string' ? value.matchAll(CODE) : []) {
      const row = { code, line: lineAt(text, node.start) };
      if (code.endsWith('_')) found.composed.push(row);
      else found.used.push(row);
    }
    for (const child of Object.values(node)) if (child && typeof child === 'object') visit(child);
  };
  visit(program);
  for (const { value, start } of comments) {
    for (const { 0: code, index } of value.matchAll(MENTION))
      found.mentioned.push({ code, line: lineAt(text, start + index) });
  }
  return found;
}

/** The rows of the page: code, the other cells, line. */
export function documentedCodes(page) {
  return page.split('\n').flatMap((text, i) => {
    const row = ROW.exec(text);
    if (row === null) return [];
    const cells = row[2].split(/(?<!\\)\|/).map((cell) => cell.trim());
    return [{ code: row[1], cells, line: i + 1 }];
  });
}

function readSources(root) {
  const dirs = readdirSync(join(root, 'packages')).flatMap((dir) =>
    ['src', 'bin'].map((part) => join(root, 'packages', dir, part)),
  );
  return dirs.flatMap(sourcesBelow).map((path) => {
    const name = relative(root, path).split(sep).join('/');
    return { name, ...codesOf(path, readFileSync(path, 'utf8')) };
  });
}

function checkPage(rows, used) {
  const seen = new Set();
  return rows.flatMap(({ code, cells, line }) => {
    const at = `${ERRORS_PAGE}:${line}`;
    if (seen.has(code)) return [`${at}: ${code} has a row already; keep one`];
    seen.add(code);
    if (cells.length !== 2 || cells.includes(''))
      return [`${at}: the row of ${code} needs three cells: code, what it means, what to do`];
    return used.has(code) ? [] : [`${at}: no source uses ${code} any more; remove its row`];
  });
}

function checkSource({ name, used, mentioned, composed }, documented, known) {
  const knows = (code) =>
    code.endsWith('_*') ? [...known].some((one) => one.startsWith(code.slice(0, -1))) : known.has(code);
  return [
    ...used
      .filter(({ code }) => !documented.has(code))
      .map(({ code, line }) => `${name}:${line}: ${code} is not in ${ERRORS_PAGE}; add a row for it`),
    ...mentioned
      .filter(({ code }) => !knows(code))
      .map(({ code, line }) => `${name}:${line}: a comment names ${code}, which no source uses; correct it`),
    ...composed.map(
      ({ code, line }) => `${name}:${line}: ${JSON.stringify(code)} is no whole code; write codes out`,
    ),
  ];
}

/** All complaints, each "file:line: what is wrong; what to do". A code that is missing is named once. */
export function checkErrors(root) {
  const sources = readSources(root);
  const used = new Set(sources.flatMap((source) => source.used.map(({ code }) => code)));
  const rows = documentedCodes(readFileSync(join(root, ERRORS_PAGE), 'utf8'));
  const documented = new Set(rows.map(({ code }) => code));
  const missing = new Set();
  const firstOnly = sources.map((source) => ({
    ...source,
    used: source.used.filter(({ code }) => !missing.has(code) && missing.add(code)),
  }));
  return [...checkPage(rows, used), ...firstOnly.flatMap((source) => checkSource(source, documented, used))];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const complaints = checkErrors(resolve(process.argv[2] ?? join(import.meta.dirname, '..')));
  for (const complaint of complaints) console.log(complaint);
  if (complaints.length > 0) process.exitCode = 1;
}
