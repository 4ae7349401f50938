import { PlacewrightError, visible } from '@placewright/ir';
import type { Compilation } from '@placewright/passes';
import {
  type Checkpoint,
  captureCheckpoint,
  isFolder,
  type Latest,
  latestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  planRestore,
  prepareFolder,
  type Restoration,
  type RestoreOptions,
  type Session,
  type StepReport,
  saveInFolder,
  type TrainOptions,
  type TrainResult,
} from '@placewright/runtime';
import { usageError } from '../errors.js';
import { ofFile } from '../files.js';
import type { Io } from '../io.js';
import type { ModelSettings } from '../options/settings.js';
import { flagName, type OptionValues } from '../options/table.js';
import { plural } from '../ui/numbers.js';
import { printWarning } from '../ui/warning.js';
import type { RunData } from './data.js';

const SAVE_EVERY = 100;
const KEEP = 5;

/** Where checkpoints go, and those that a run begins with. */
export interface CheckpointFiles {
  readonly folder: string | null;
  readonly saveEvery: number;
  readonly keep: number;
  /** The one to go on from. */
  readonly latest: Latest['found'];
  /** The one whose variables to begin with. */
  readonly start: { readonly path: string; readonly checkpoint: Checkpoint } | null;
  readonly slots: 'exact' | 'fresh';
}

/**
 * Reads what a run begins with, and makes sure that it can save, before anything is compiled.
 * Throws PW_OPTION_MISSING, PW_CHECKPOINT_*.
 */
export async function openCheckpoints(io: Io, options: OptionValues): Promise<CheckpointFiles> {
  const { checkpointDir: folder, saveEvery = SAVE_EVERY, keep = KEEP, checkpoint, resume = false } = options;
  if (folder === undefined) refuseWithoutFolder(options);
  const latest = folder === undefined ? null : await openFolder(io, folder, resume);
  const start = checkpoint === undefined || latest !== null ? null : await loadStart(checkpoint);
  const slots = options.freshSlots === true ? 'fresh' : 'exact';
  return { folder: folder ?? null, saveEvery, keep, latest, start, slots };
}

/** Options that say something of a folder. */
const OF_FOLDER = ['resume', 'saveEvery', 'keep'] as const satisfies (keyof OptionValues)[];

function refuseWithoutFolder(options: OptionValues): void {
  const given = OF_FOLDER.find((name) => options[name] !== undefined && options[name] !== false);
  if (given === undefined) return;
  throw usageError(
    'PW_OPTION_MISSING',
    `${flagName(given)} says something of a folder of checkpoints, and none is named`,
    'add --checkpoint-dir DIR',
  );
}

async function openFolder(io: Io, folder: string, resume: boolean): Promise<Latest['found']> {
  await prepareFolder(folder);
  if (!resume) {
    const there = await listCheckpoints(folder);
    if (there.length === 0) return null;
    throw new PlacewrightError(
      'PW_CHECKPOINT_DIR',
      `the folder has ${plural(there.length, 'checkpoint')} of an earlier run`,
      { where: { file: folder }, hint: '--resume goes on from the last one; or name another folder' },
    );
  }
  const { found, damaged } = await latestCheckpoint(folder);
  for (const { message, where } of damaged) {
    printWarning(io, {
      code: 'PW_CHECKPOINT_DAMAGED',
      message: `${where.file}: ${message}`,
      hint: found === null ? 'nothing: the run begins anew' : `nothing: the run goes on from ${found.path}`,
    });
  }
  return found;
}

async function loadStart(path: string): Promise<{ path: string; checkpoint: Checkpoint }> {
  if (!(await isFolder(path))) return { path, checkpoint: await loadCheckpoint(path) };
  const { found } = await latestCheckpoint(path);
  if (found !== null) return found;
  throw new PlacewrightError('PW_CHECKPOINT_READ', 'the folder has no whole checkpoint', {
    where: { file: path },
    hint: 'name a checkpoint, or a folder of them',
  });
}

/** How a run begins, and what is saved of it. */
export interface CheckpointPlan {
  /** Steps that an earlier run has done. */
  readonly earlier: readonly StepReport[];
  /** Number of the first batch in the order of the data. */
  readonly startBatch: number;
  /** What to say of it before training; empty for nothing. */
  readonly text: string;
  readonly hooks: (session: Session) => Pick<TrainOptions, 'resume' | 'afterStep'>;
  /** Saves what training ended with, unless that was saved, or is of no use. Gives the path of the last checkpoint. */
  readonly finish: (session: Session, result: TrainResult) => Promise<string | null>;
}

/**
 * Checks the checkpoints against the lowered module, and works out what they mean for it.
 * Throws PW_CHECKPOINT_VARIABLE, PW_CHECKPOINT_SLOT.
 */
export function planCheckpoints(
  io: Io,
  files: CheckpointFiles,
  run: {
    readonly settings: ModelSettings;
    readonly compilation: Pick<Compilation, 'module' | 'strategy' | 'choices'>;
    readonly data: RunData;
    readonly steps: number;
  },
): CheckpointPlan {
  const { folder, latest, start } = files;
  const begin = beginning(io, files, run);
  const saver = folder === null ? null : saverOf(folder, files, run, begin);
  return {
    ...begin,
    text: startText(files, begin, run.steps),
    hooks: (session) => ({
      ...(latest === null && start === null ? {} : { resume: () => resume(session, begin) }),
      ...(saver === null ? {} : { afterStep: (reports) => saver.afterStep(session, reports) }),
    }),
    finish: async (session, result) => saver?.finish(session, result) ?? null,
  };
}

interface Beginning {
  readonly restoration: Restoration | null;
  /** Whether staging areas get what they held. */
  readonly warm: boolean;
  readonly earlier: readonly StepReport[];
  readonly startBatch: number;
}

type Run = Parameters<typeof planCheckpoints>[2];

function beginning(io: Io, { latest, start, slots }: CheckpointFiles, run: Run): Beginning {
  const source = latest ?? start;
  const none = { restoration: null, warm: false, earlier: [], startBatch: 0 };
  if (source === null) return none;
  const identity = identityOf(run);
  // Only one that is gone on from is to be the same run.
  const options: RestoreOptions = { ...identity, slots, ...(latest === null ? { choices: '' } : {}) };
  const restoration = ofFile(source.path, () =>
    planRestore(run.compilation.module, source.checkpoint, options),
  );
  if (latest === null) return { ...none, restoration };
  const progress = restoration.progress.get('');
  const sameData = progress?.data === dataOf(run);
  warnOfOther(io, latest.checkpoint, restoration.same, sameData);
  return {
    restoration,
    warm: restoration.same,
    earlier: progress?.reports ?? [],
    startBatch: sameData ? (progress?.batch ?? 0) : 0,
  };
}

/** Clipping belongs to the optimizer, whose rates may change, too. */
function identityOf({ compilation }: Run): { readonly strategy: string; readonly choices: string } {
  const { clipping: _, ...choices } = compilation.choices;
  return { strategy: compilation.strategy, choices: JSON.stringify(choices) };
}

/** Which images in which order. */
function dataOf({ settings, data }: Run): string {
  const { seed, numGpus, batchSize } = settings;
  return JSON.stringify({ data: data.name, images: data.trainCount, rows: numGpus * batchSize, seed });
}

/** Says where losses will not be those of one run. */
function warnOfOther(io: Io, { strategy, resume }: Checkpoint, same: boolean, sameData: boolean): void {
  const staged = [...resume.buffers.values()].some((tuples) => tuples.length > 0);
  const differences = [
    ...(same ? [] : [`it is of another strategy or cluster (${visible(strategy.slice(0, 80))})`]),
    ...(!same && staged ? ['what it has staged is left out'] : []),
    ...(sameData ? [] : ['it is of other images or batches, whose order begins anew']),
  ];
  if (differences.length === 0) return;
  printWarning(io, {
    code: 'PW_CHECKPOINT_OTHER',
    message: `this is not quite the run of the checkpoint: ${differences.join('; ')}`,
    hint: 'nothing, if it is meant so; else take the options of the run before',
  });
}

async function resume(session: Session, { restoration, earlier, warm }: Beginning) {
  if (restoration !== null) await session.writeState(restoration.state);
  return { reports: earlier, warm };
}

interface Saver {
  afterStep(session: Session, reports: readonly StepReport[]): Promise<void>;
  finish(session: Session, result: TrainResult): Promise<string | null>;
}

function saverOf(
  folder: string,
  { saveEvery, keep, latest }: CheckpointFiles,
  run: Run,
  { earlier, startBatch }: Beginning,
): Saver {
  let saved: { readonly step: number; readonly path: string | null } = {
    step: earlier.length,
    path: latest?.path ?? null,
  };
  const save = async (session: Session, reports: readonly StepReport[]): Promise<string> => {
    const step = reports.length;
    if (saved.step === step && saved.path !== null) return saved.path;
    const checkpoint = captureCheckpoint({
      ...identityOf(run),
      module: run.compilation.module,
      state: await session.readState(),
      step,
      progress: new Map([['', { reports, batch: startBatch + step - earlier.length, data: dataOf(run) }]]),
    });
    const path = await saveInFolder(folder, checkpoint, keep);
    saved = { step, path };
    return path;
  };
  return {
    afterStep: async (session, reports) => {
      if (reports.length % saveEvery === 0) await save(session, reports);
    },
    finish: async (session, { reports, reason }) =>
      reason === 'diverged' || reports.length === 0 ? saved.path : save(session, reports),
  };
}

function startText(
  { folder, latest, start }: CheckpointFiles,
  { earlier }: Beginning,
  steps: number,
): string {
  if (latest !== null)
    return `goes on from ${latest.path}: ${earlier.length} of ${plural(steps, 'step')} done`;
  if (start !== null) return `begins with the variables of ${start.path}`;
  return folder === null ? '' : `saves checkpoints in ${folder}`;
}
