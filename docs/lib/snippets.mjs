import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { block } from './markdown.mjs';

const root = join(import.meta.dirname, '..', '..');
const LANGUAGES = { '.ts': 'ts', '.mjs': 'js' };

/** The lines between `// #region NAME` and the next `// #endregion`, without their common indentation. */
export function regionOf(text, name, file) {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  const length = lines.slice(start + 1).findIndex((line) => line.trim() === '// #endregion');
  if (start < 0 || length < 0) throw new Error(`${file} has no region ${name}`);
  const region = lines.slice(start + 1, start + 1 + length);
  const margins = region.filter((line) => line.trim() !== '').map((line) => line.search(/\S/));
  const margin = Math.min(...margins);
  return region.map((line) => line.slice(margin)).join('\n');
}

/** A region of a source file as a fenced block: `snippet docs/snippets/builder.ts#first`. */
export function snippet(reference) {
  const [file, name] = reference.split('#');
  const text = readFileSync(join(root, file), 'utf8');
  return block(LANGUAGES[extname(file)] ?? '', regionOf(text, name, file));
}

/** A whole file as a fenced block. */
export const wholeFile = (file) => block('text', readFileSync(join(root, file), 'utf8'));
