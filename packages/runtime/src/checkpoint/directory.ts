import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlacewrightError } from '@placewright/ir';
import { type Checkpoint, checkpointFile, parseCheckpoint } from './checkpoint.js';
import { ioError, readTensorFile, writeTensorFile } from './file.js';

/** Digits that steps are written with, so that names are in order. */
const DIGITS = 10;
const NAME = /^step-(\d{10,16})\.safetensors$/;
/** What a run that was killed while it wrote leaves behind. */
const LEFTOVER = /^\.step-\d{10,16}\.safetensors\.(\d+)-\d+\.tmp$/;

export const checkpointName = (step: number): string =>
  `step-${String(step).padStart(DIGITS, '0')}.safetensors`;

/** Writes a checkpoint whole or not at all. Throws PW_CHECKPOINT_WRITE. */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeTensorFile(path, checkpointFile(checkpoint));
}

/**
 * Reads a checkpoint and checks it whole. Throws PW_CHECKPOINT_READ, PW_CHECKPOINT_FORMAT, PW_CHECKPOINT_TRUNCATED,
 * PW_CHECKPOINT_FOREIGN, PW_CHECKPOINT_CHECKSUM.
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const file = await readTensorFile(path);
  try {
    return parseCheckpoint(file);
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ file: path }) : error;
  }
}

/** A file of a folder of checkpoints. */
export interface Listed {
  readonly path: string;
  readonly step: number;
}

/** Checkpoints of a folder by their names, the latest last; none where there is no folder. Throws PW_CHECKPOINT_READ. */
export async function listCheckpoints(folder: string): Promise<Listed[]> {
  const listed = (await namesIn(folder)).flatMap((name) => {
    const digits = NAME.exec(name)?.[1];
    return digits === undefined ? [] : [{ path: join(folder, name), step: Number(digits) }];
  });
  return listed.sort((a, b) => a.step - b.step);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw ioError('PW_CHECKPOINT_READ', 'cannot read the folder of checkpoints', folder, cause, {
      hint: 'check the path and the rights',
    });
  }
}

/** Makes a folder where there is none, and takes away what killed runs left half-written. Throws PW_CHECKPOINT_WRITE. */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) {
      const pid = LEFTOVER.exec(name)?.[1];
      if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
    }
  } catch (cause) {
    throw ioError('PW_CHECKPOINT_WRITE', 'cannot make the folder of checkpoints', folder, cause, {
      hint: 'name another folder, or check the rights',
    });
  }
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The latest whole checkpoint of a folder, and why later ones are none. */
export interface Latest {
  readonly found: (Listed & { readonly checkpoint: Checkpoint }) | null;
  readonly damaged: readonly PlacewrightError[];
}

/** What a file that was cut off or changed gives; anything else is worth an error. */
const DAMAGE: readonly string[] = [
  'PW_CHECKPOINT_TRUNCATED',
  'PW_CHECKPOINT_FORMAT',
  'PW_CHECKPOINT_CHECKSUM',
  'PW_CHECKPOINT_FOREIGN',
];

/** Throws PW_CHECKPOINT_READ. */
export async function latestCheckpoint(folder: string): Promise<Latest> {
  const damaged: PlacewrightError[] = [];
  for (const listed of (await listCheckpoints(folder)).reverse()) {
    try {
      return { found: { ...listed, checkpoint: await loadCheckpoint(listed.path) }, damaged };
    } catch (error) {
      if (!(error instanceof PlacewrightError) || !DAMAGE.includes(error.code)) throw error;
      damaged.push(error);
    }
  }
  return { found: null, damaged };
}

/**
 * Saves a checkpoint in a folder and leaves the last `keep` of those up to its step; later ones, of another run or
 * damaged, stay. Gives its path. Throws PW_CHECKPOINT_WRITE.
 */
export async function saveInFolder(folder: string, checkpoint: Checkpoint, keep: number): Promise<string> {
  const path = join(folder, checkpointName(checkpoint.step));
  await saveCheckpoint(path, checkpoint);
  const older = (await listCheckpoints(folder)).filter(({ step }) => step <= checkpoint.step);
  for (const { path: old } of older.slice(0, Math.max(0, older.length - keep)))
    await rm(old, { force: true });
  return path;
}

/** Whether a path is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
