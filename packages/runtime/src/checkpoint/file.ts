import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PlacewrightError, type TensorValue } from '@placewright/ir';
import { elementReader, encodeElements } from './elements.js';
import {
  badFormat,
  dataBytes,
  encodeHeader,
  type Header,
  headerLength,
  LENGTH_BYTES,
  layout,
  parseHeader,
  quoted,
  type TensorEntry,
  truncated,
} from './header.js';

/** Named tensors with named texts, as a file of them holds. */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, TensorValue>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A file that was read whole, and found to have its checksum. */
export interface ReadFile extends TensorFile {
  readonly entries: readonly TensorEntry[];
  readonly bytes: number;
  /** `sha256:` and 64 hex digits. */
  readonly checksum: string;
}

/**
 * The checksum is that of the whole file with zeros for the checksum's own digits, so that it covers the header too.
 * https://csrc.nist.gov/pubs/fips/180-4/upd1/final
 */
export const CHECKSUM = 'placewright.checksum';
const PREFIX = 'sha256:';
const ZEROS = '0'.repeat(64);

/** Most that is read or hashed at once. */
const CHUNK = 2 ** 28;

/**
 * Writes a whole file or nothing: into a file beside it, synced, which then takes its name; the folder is synced, too.
 * So that whatever happens, the name stands for a whole file: the one before, or the new one. Throws PW_CHECKPOINT_WRITE.
 */
export async function writeTensorFile(path: string, { tensors, metadata }: TensorFile): Promise<void> {
  const entries = layout(tensors);
  const parts = entries.map(({ name }) => encodeElements(tensors.get(name) as TensorValue));
  const header = checkedHeader({ entries, metadata }, parts);
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      for (const part of [header, ...parts]) await writeAll(file, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw ioError('PW_CHECKPOINT_WRITE', 'cannot write the checkpoint', path, cause, {
      hint: 'make room, and check the rights of its folder; the checkpoints before it are as they were',
    });
  }
}

/** The encoded header with the file's checksum in it. */
function checkedHeader({ entries, metadata }: Header, parts: readonly Uint8Array[]): Uint8Array {
  const withSum = (digits: string): Uint8Array =>
    encodeHeader({ entries, metadata: new Map([[CHECKSUM, PREFIX + digits], ...metadata]) });
  const hash = createHash('sha256').update(withSum(ZEROS));
  for (const part of parts) updateHash(hash, part);
  return withSum(hash.digest('hex'));
}

/** Node's hash takes no more than 2 GiB at once. */
function updateHash(hash: Hash, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += CHUNK) hash.update(bytes.subarray(at, at + CHUNK));
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, Math.min(CHUNK, bytes.length - at))).bytesWritten;
  }
}

let temporaries = 0;

/** `.NAME.PID-N.tmp`: a start that a killed run leaves behind can be told from one that is being written. */
function temporaryName(path: string): string {
  temporaries += 1;
  return join(dirname(path), `.${basename(path)}.${process.pid}-${temporaries}.tmp`);
}

/** Makes the new name itself outlast a crash of the machine. Some systems cannot open a folder; there it is as it is. */
async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle;
  try {
    folder = await open(path, 'r');
  } catch {
    return;
  }
  try {
    await folder.sync().catch(() => undefined);
  } finally {
    await folder.close();
  }
}

/**
 * Reads a file whole and checks everything that it says of itself, its checksum last.
 * Throws PW_CHECKPOINT_READ, PW_CHECKPOINT_FORMAT, PW_CHECKPOINT_TRUNCATED, PW_CHECKPOINT_FOREIGN, PW_CHECKPOINT_CHECKSUM.
 */
export async function readTensorFile(path: string): Promise<ReadFile> {
  try {
    const status = await stat(path);
    if (!status.isFile()) throw new Error(status.isDirectory() ? 'it is a folder' : 'it is no file');
    const file = await open(path, 'r');
    try {
      return await readOpen(file, status.size);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof PlacewrightError) throw cause.at({ file: path });
    throw ioError('PW_CHECKPOINT_READ', 'cannot read the checkpoint', path, cause, {
      hint: 'check the path and the rights',
    });
  }
}

async function readOpen(file: FileHandle, size: number): Promise<ReadFile> {
  const start = new Uint8Array(Math.min(LENGTH_BYTES, size));
  await readInto(file, start, 0, 'its first bytes');
  const length = headerLength(start, size);
  const bytes = new Uint8Array(length);
  await readInto(file, bytes, LENGTH_BYTES, 'its header');
  const header = parseHeader(bytes, size - LENGTH_BYTES - length);
  const { checksum, blanked } = blankChecksum(header, bytes);
  const hash = createHash('sha256').update(start).update(blanked);
  const tensors = await readTensors(file, header.entries, LENGTH_BYTES + length, hash);
  const found = PREFIX + hash.digest('hex');
  if (found !== checksum) throw wrongChecksum();
  const metadata = new Map([...header.metadata].filter(([key]) => key !== CHECKSUM));
  return {
    tensors,
    metadata,
    entries: header.entries,
    checksum,
    bytes: LENGTH_BYTES + length + dataBytes(header.entries),
  };
}

function wrongChecksum(): PlacewrightError {
  return new PlacewrightError(
    'PW_CHECKPOINT_CHECKSUM',
    'the checkpoint is damaged: its bytes do not give the checksum that it names',
    { hint: 'fetch it again, or take an earlier one' },
  );
}

/** The header's bytes with zeros for the digits of the checksum, and the checksum. Throws PW_CHECKPOINT_FOREIGN. */
function blankChecksum({ metadata }: Header, bytes: Uint8Array): { checksum: string; blanked: Uint8Array } {
  const checksum = metadata.get(CHECKSUM);
  if (checksum === undefined) {
    throw new PlacewrightError(
      'PW_CHECKPOINT_FOREIGN',
      'this safetensors file has no placewright.checksum: another program wrote it',
      { hint: 'name a checkpoint that `placewright train --checkpoint-dir` wrote' },
    );
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = text.indexOf(JSON.stringify(checksum));
  if (!/^sha256:[0-9a-f]{64}$/.test(checksum) || at < 0) {
    throw badFormat(`its checksum is ${quoted(checksum)}, not sha256: and 64 hex digits`);
  }
  const blanked = Buffer.from(text);
  blanked.write(ZEROS, at + 1 + PREFIX.length, 'latin1');
  return { checksum, blanked };
}

async function readTensors(
  file: FileHandle,
  entries: readonly TensorEntry[],
  start: number,
  hash: Hash,
): Promise<Map<string, TensorValue>> {
  const out = new Map<string, TensorValue>();
  for (const { name, dtype, shape, begin } of entries) {
    const reader = elementReader(
      dtype,
      shape.reduce((n, dim) => n * dim, 1),
    );
    await readInto(file, reader.bytes, start + begin, `tensor ${quoted(name)}`);
    updateHash(hash, reader.bytes);
    out.set(name, { dtype, shape, data: reader.finish() });
  }
  return out;
}

/** Fills `bytes`. Throws PW_CHECKPOINT_TRUNCATED where the file, which was longer before, ends. */
async function readInto(file: FileHandle, bytes: Uint8Array, position: number, what: string): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(CHUNK, bytes.length - at), position + at);
    if (bytesRead === 0) throw truncated(`it ends within ${what}`);
    at += bytesRead;
  }
}

export function ioError(
  code: string,
  what: string,
  file: string,
  cause: unknown,
  { hint }: { readonly hint: string },
): PlacewrightError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const why = text.replace(/^(E[A-Z]+): /, '').replace(/, \w+( '.*')?$/s, '');
  return new PlacewrightError(code, `${what}: ${why}`, { where: { file }, hint, cause });
}
