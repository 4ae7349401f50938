import {
  closeSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { PlacewrightError } from '@placewright/ir';

/** Text of a file. Throws PW_FILE_READ. */
export function readText(path: string): string {
  return readBytes(path).toString('utf8');
}

/** Bytes of a file. Throws PW_FILE_READ. */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw fileError('PW_FILE_READ', 'cannot read the file', path, cause, 'check the path and the rights');
  }
}

/**
 * Makes sure, before anything long begins, that the file can be written: one beside it is created and removed.
 * Folders are not made. Throws PW_FILE_WRITE.
 */
export function checkWritable(path: string): void {
  guardWrite(path, () => {
    const target = resolveTarget(path);
    if (target.kind === 'device') return;
    const probe = temporaryName(target.path);
    closeSync(openSync(probe, 'wx'));
    rmSync(probe);
  });
}

/**
 * Writes a whole file or nothing: into a file beside it that then takes its name. A device (`/dev/stdout`) is written
 * to as it is, a link's target is replaced and not the link. Throws PW_FILE_WRITE.
 */
export function writeAtomically(path: string, data: string | Uint8Array): void {
  guardWrite(path, () => {
    const target = resolveTarget(path);
    if (target.kind === 'device') {
      writeFileSync(target.path, data);
      return;
    }
    const temporary = temporaryName(target.path);
    try {
      writeFileSync(temporary, data, { flag: 'wx' });
      renameSync(temporary, target.path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
}

let temporaries = 0;

function temporaryName(path: string): string {
  temporaries += 1;
  return join(dirname(path), `.${basename(path)}.${process.pid}-${temporaries}.tmp`);
}

/** What a path stands for: a file (present or not) or something that must not be replaced. */
function resolveTarget(path: string): { kind: 'file' | 'device'; path: string } {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return { kind: 'file', path: resolve(path) };
  if (status.isDirectory()) throw new Error('it is a folder');
  return { kind: status.isFile() ? 'file' : 'device', path: realpathSync(path) };
}

function guardWrite(path: string, body: () => void): void {
  try {
    body();
  } catch (cause) {
    const hint = 'name another file, or make room and check the rights of its folder';
    throw fileError('PW_FILE_WRITE', 'cannot write the file', path, cause, hint);
  }
}

/** Throws PW_FILE_SAME when two outputs would overwrite each other. */
export function checkDistinct(paths: readonly (string | undefined)[]): void {
  const seen = new Set<string>();
  for (const path of paths) {
    if (path === undefined) continue;
    const full = resolve(path);
    if (seen.has(full)) {
      throw new PlacewrightError('PW_FILE_SAME', 'two outputs are to go to the same file', {
        where: { file: path },
        hint: 'give each a name of its own',
      });
    }
    seen.add(full);
  }
}

function fileError(code: string, what: string, path: string, cause: unknown, hint: string): PlacewrightError {
  const why =
    cause instanceof Error
      ? cause.message.replace(/^(E[A-Z]+): /, '').replace(/, \w+ '.*'$/, '')
      : String(cause);
  return new PlacewrightError(code, `${what}: ${why}`, { where: { file: path }, hint, cause });
}
