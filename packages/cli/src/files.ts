import { constants } from 'node:buffer';
import {
  chmodSync,
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { PlacewrightError } from '@placewright/ir';

/** Text of a file. Throws PW_FILE_READ, also for more than a string can hold. */
export function readText(path: string): string {
  return guardRead(path, () => {
    // Said before hundreds of megabytes are read in vain; of a pipe the size is not known.
    const { size } = statSync(path);
    if (size > constants.MAX_STRING_LENGTH) throw new Error(`its ${size} bytes are too many for a text`);
    return readFileSync(path).toString('utf8');
  });
}

/** Bytes of a file. Throws PW_FILE_READ. */
export function readBytes(path: string): Buffer {
  return guardRead(path, () => readFileSync(path));
}

/** Up to that many first bytes of a file. Throws PW_FILE_READ. */
export function readStart(path: string, count: number): Uint8Array {
  return guardRead(path, () => {
    const file = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(count);
      return bytes.subarray(0, readSync(file, bytes));
    } finally {
      closeSync(file);
    }
  });
}

function guardRead<T>(path: string, body: () => T): T {
  try {
    return body();
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

/** Whether the path is something that stands for no file: a terminal, a pipe, `/dev/null`. */
export function isDevice(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status !== undefined && !status.isFile() && !status.isDirectory();
}

/** A file whose new content is complete beside it, and takes its name with `commit`. */
export interface PreparedWrite {
  /** Throws PW_FILE_WRITE. */
  commit(): void;
  /** Leaves everything as it was; does nothing after a commit. */
  discard(): void;
}

/**
 * Writes a whole file or nothing: into a file beside it that then takes its name and its mode. A device (`/dev/stdout`)
 * is written to as it is, a link's target is replaced and not the link. Throws PW_FILE_WRITE.
 */
export function writeAtomically(path: string, data: string | Uint8Array): void {
  const write = prepareWrite(path, data);
  try {
    write.commit();
  } finally {
    write.discard();
  }
}

/** Removes a file that is ours, if it is there and can be removed; a device stays. */
export function removeQuietly(path: string): void {
  try {
    if (!isDevice(path)) rmSync(path, { force: true });
  } catch {
    // What cannot be removed is no reason to hide how the command ended.
  }
}

/** The first half of `writeAtomically`: all that can want for space or rights. Throws PW_FILE_WRITE. */
export function prepareWrite(path: string, data: string | Uint8Array): PreparedWrite {
  return guardWrite(path, () => {
    const target = resolveTarget(path);
    if (target.kind === 'device') {
      return { commit: () => guardWrite(path, () => writeFileSync(target.path, data)), discard() {} };
    }
    const temporary = temporaryName(target.path);
    const discard = () => rmSync(temporary, { force: true });
    try {
      writeFileSync(temporary, data, { flag: 'wx' });
      // Not when it is created, where the umask would take from it.
      if (target.mode !== undefined) chmodSync(temporary, target.mode);
    } catch (error) {
      discard();
      throw error;
    }
    return { commit: () => guardWrite(path, () => renameSync(temporary, target.path)), discard };
  });
}

let temporaries = 0;

function temporaryName(path: string): string {
  temporaries += 1;
  return join(dirname(path), `.${basename(path)}.${process.pid}-${temporaries}.tmp`);
}

type Target =
  | { readonly kind: 'device'; readonly path: string }
  /** `mode` is that of the file that stands there. */
  | { readonly kind: 'file'; readonly path: string; readonly mode?: number };

/** What a path stands for: a file (present or not) or something that must not be replaced. */
function resolveTarget(path: string): Target {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return { kind: 'file', path: endOfLinks(path) };
  if (status.isDirectory()) throw new Error('it is a folder');
  if (!status.isFile()) return { kind: 'device', path: realpathSync(path) };
  return { kind: 'file', path: realpathSync(path), mode: status.mode & 0o7777 };
}

/** Where a link to nothing leads. It cannot be one of a cycle, which is an error to ask for the status of. */
function endOfLinks(path: string): string {
  let end = resolve(path);
  while (lstatSync(end, { throwIfNoEntry: false })?.isSymbolicLink()) {
    end = resolve(realpathSync(dirname(end)), readlinkSync(end));
  }
  return end;
}

function guardWrite<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    const hint = 'name another file, or make room and check the rights of its folder';
    throw fileError('PW_FILE_WRITE', 'cannot write the file', path, cause, hint);
  }
}

/** What `body` gives; an error of it says that it is of the file. */
export function ofFile<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ file }) : error;
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
      ? cause.message.replace(/^(E[A-Z]+): /, '').replace(/, \w+( '.*')?$/s, '')
      : String(cause);
  return new PlacewrightError(code, `${what}: ${why}`, { where: { file: path }, hint, cause });
}
