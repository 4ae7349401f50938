import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PlacewrightError } from '@placewright/ir';
import type { Fault, FaultEdit } from './fault.js';

const require = createRequire(import.meta.url);

/** Where the built passes are. Copies lie below, so that their imports resolve as the original's do. */
export function passesHome(): string {
  return join(dirname(require.resolve('@placewright/passes/package.json')), 'dist');
}

const COPIES = '.mutants';
const copiesHome = (): string => join(passesHome(), COPIES);

/** A copy of the built passes with a fault planted; gives its entry file. Throws PW_FAULT_TEXT. */
export function plant({ name, edits }: Fault): string {
  const from = passesHome();
  const to = join(copiesHome(), name);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  copyCode(from, to);
  for (const edit of edits) {
    const file = join(to, edit.file);
    writeFileSync(file, editText(readFileSync(file, 'utf8'), edit, name));
  }
  return join(to, 'index.js');
}

/** Removes all copies. */
export function clear(): void {
  rmSync(copiesHome(), { recursive: true, force: true });
}

/** The text with its one occurrence of `find` replaced. Throws PW_FAULT_TEXT when there is none, or more than one. */
export function editText(text: string, { file, find, replace }: FaultEdit, fault: string): string {
  const found = text.split(find).length - 1;
  if (found === 1) return text.split(find).join(replace);
  throw new PlacewrightError(
    'PW_FAULT_TEXT',
    `the text that fault ${fault} replaces is ${found} times in ${file}`,
    {
      kind: 'internal',
      hint: `the pass has changed: write the fault for its new text; it was ${JSON.stringify(find)}`,
    },
  );
}

/** Copies the code; `cpSync` refuses to copy into a folder of its own. */
function copyCode(from: string, to: string): void {
  const files = readdirSync(from, { recursive: true, encoding: 'utf8' });
  for (const file of files) {
    if (!file.endsWith('.js') || file.startsWith(COPIES)) continue;
    mkdirSync(dirname(join(to, file)), { recursive: true });
    copyFileSync(join(from, file), join(to, file));
  }
}
