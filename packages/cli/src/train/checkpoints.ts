import {
  formatDevice,
  type LinkedModule,
  type ModuleState,
  PlacewrightError,
  visible,
} from '@placewright/ir';
import type { Compilation } from '@placewright/passes';
import {
  type Checkpoint,
  type ClusterSession,
  type ClusterTrainOptions,
  captureCheckpoint,
  isFolder,
  type Latest,
  latestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  type Progress,
  planRestore,
  prepareFolder,
  type Restoration,
  type RestoreOptions,
  readClusterState,
  type Session,
  type StepReport,
  type StopReason,
  type StrategyIdentity,
  saveInFolder,
  type TrainOptions,
  type TrainResult,
  type WorkerResult,
  writeClusterState,
} from '@placewright/runtime';
import { usageError } from '../errors.js';
import { ofFile } from '../files.js';
import type { Io } from '../io.js';
import type { ModelSettings } from '../options/settings.js';
import { flagName, type OptionValues } from '../options/table.js';
import { plural } from '../ui/numbers.js';
import { printWarning } from '../ui/warning.js';
import { type RunData, rowsOfStep } from './data.js';

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

/** What is lowered, and what it is fed. */
export interface CheckpointedRun {
  readonly settings: ModelSettings;
  /** In a cluster, the module is the linked one. */
  readonly compilation: Pick<Compilation, 'module' | 'strategy' | 'choices'>;
  readonly data: RunData;
  readonly steps: number;
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

/** The only task of one machine. */
const ALONE = '';

/**
 * Checks the checkpoints against the lowered module, and works out what they mean for it.
 * Throws PW_CHECKPOINT_VARIABLE, PW_CHECKPOINT_SLOT.
 */
export function planCheckpoints(io: Io, files: CheckpointFiles, run: CheckpointedRun): CheckpointPlan {
  const begin = beginning(io, files, run, [ALONE]);
  const saver = saverOf(files, run, begin);
  const { restoration, warm } = begin;
  const { reports: earlier, batch: startBatch } = startOf(begin, ALONE);
  return {
    earlier,
    startBatch,
    text: startText(files, begin, run.steps),
    hooks: (session) => ({
      ...(restoration === null
        ? {}
        : {
            resume: async () => {
              await session.writeState(restoration.state);
              return { reports: earlier, warm };
            },
          }),
      ...(saver === null
        ? {}
        : {
            afterStep: async (reports) => {
              if (reports.length % files.saveEvery !== 0) return;
              await saver.save(() => session.readState(), new Map([[ALONE, reports]]));
            },
          }),
    }),
    finish: async (session, { reports, reason }) =>
      saver?.finish(() => session.readState(), new Map([[ALONE, reports]]), reason) ?? null,
  };
}

/** As `CheckpointPlan`, of a cluster; workers by their index. */
export interface ClusterCheckpointPlan extends Pick<CheckpointPlan, 'text'> {
  readonly earlier: (worker: number) => readonly StepReport[];
  readonly startBatch: (worker: number) => number;
  readonly hooks: (cluster: ClusterSession) => Pick<ClusterTrainOptions, 'resume' | 'save' | 'saveEvery'>;
  readonly finish: (
    cluster: ClusterSession,
    workers: readonly Pick<WorkerResult, 'reports'>[],
    reason: StopReason,
  ) => Promise<string | null>;
}

/** As `planCheckpoints`, of a linked cluster. */
export function planClusterCheckpoints(
  io: Io,
  files: CheckpointFiles,
  run: CheckpointedRun,
  linked: LinkedModule,
): ClusterCheckpointPlan {
  const tasks = linked.tasks.map(({ task: { job, index } }) => formatDevice({ job, task: index }));
  const begin = beginning(io, files, run, tasks);
  const saver = saverOf(files, run, begin);
  const { restoration, warm } = begin;
  const start = (worker: number): Start => startOf(begin, tasks[worker] ?? '');
  const byTask = (reports: Iterable<readonly [number, readonly StepReport[]]>) =>
    new Map([...reports].map(([worker, own]) => [tasks[worker] ?? '', own]));
  return {
    earlier: (worker) => start(worker).reports,
    startBatch: (worker) => start(worker).batch,
    text: startText(files, begin, run.steps),
    hooks: (cluster) => ({
      ...(restoration === null
        ? {}
        : {
            resume: async () => {
              await writeClusterState(linked, cluster, restoration.state);
              return { reports: new Map(tasks.map((_, worker) => [worker, start(worker).reports])), warm };
            },
          }),
      ...(saver === null
        ? {}
        : {
            saveEvery: files.saveEvery,
            save: async (reports) => {
              await saver.save(() => readClusterState(linked, cluster), byTask(reports));
            },
          }),
    }),
    finish: async (cluster, workers, reason) =>
      saver?.finish(
        () => readClusterState(linked, cluster),
        byTask(workers.map(({ reports }, worker) => [worker, reports])),
        reason,
      ) ?? null,
  };
}

/** How far a task is, and which batch is its next. */
interface Start {
  readonly reports: readonly StepReport[];
  readonly batch: number;
}

interface Beginning {
  readonly restoration: Restoration | null;
  /** Whether staging areas get what they held. */
  readonly warm: boolean;
  /** By task. */
  readonly starts: ReadonlyMap<string, Start>;
}

const startOf = ({ starts }: Beginning, task: string): Start => starts.get(task) ?? { reports: [], batch: 0 };

function beginning(
  io: Io,
  { latest, start, slots }: CheckpointFiles,
  run: CheckpointedRun,
  tasks: readonly string[],
): Beginning {
  const source = latest ?? start;
  if (source === null) return { restoration: null, warm: false, starts: new Map() };
  const identity = identityOf(run);
  // Only one that is gone on from is to be the same run.
  const options: RestoreOptions = { ...identity, slots, ...(latest === null ? { choices: '' } : {}) };
  const restoration = ofFile(source.path, () =>
    planRestore(run.compilation.module, source.checkpoint, options),
  );
  if (latest === null) return { restoration, warm: false, starts: new Map() };
  const { progress, same } = restoration;
  // Tasks that the run before had not are as far as its first one.
  const [first] = progress.values();
  const sameData = first?.data === dataOf(run);
  warnOfOther(io, latest.checkpoint, same, sameData);
  const starts = tasks.map((task) => {
    const { reports, batch } = progress.get(task) ?? first ?? { reports: [], batch: 0 };
    return [task, { reports, batch: sameData ? batch : 0 }] as const;
  });
  return { restoration, warm: same, starts: new Map(starts) };
}

/** Clipping belongs to the optimizer, whose rates may change, too. */
function identityOf({ compilation }: CheckpointedRun): StrategyIdentity {
  const { clipping: _, ...choices } = compilation.choices;
  return { strategy: compilation.strategy, choices: JSON.stringify(choices) };
}

/** Which images in which order. */
function dataOf({ settings, data }: CheckpointedRun): string {
  const { seed } = settings;
  return JSON.stringify({ data: data.name, images: data.trainCount, rows: rowsOfStep(settings), seed });
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

type Reports = ReadonlyMap<string, readonly StepReport[]>;
type ReadState = () => Promise<ModuleState>;

interface Saver {
  save(state: ReadState, reports: Reports): Promise<string>;
  finish(state: ReadState, reports: Reports, reason: StopReason): Promise<string | null>;
}

const furthest = (reports: Reports): number =>
  Math.max(0, ...[...reports.values()].map(({ length }) => length));

function saverOf(
  { folder, keep, latest }: CheckpointFiles,
  run: CheckpointedRun,
  begin: Beginning,
): Saver | null {
  if (folder === null) return null;
  const data = dataOf(run);
  let saved: { readonly step: number; readonly path: string | null } = {
    step: Math.max(0, ...[...begin.starts.values()].map(({ reports }) => reports.length)),
    path: latest?.path ?? null,
  };
  const progressOf = (task: string, reports: readonly StepReport[]): Progress => {
    const { batch, reports: earlier } = startOf(begin, task);
    return { reports, batch: batch + reports.length - earlier.length, data };
  };
  const save: Saver['save'] = async (state, reports) => {
    const step = furthest(reports);
    if (saved.step === step && saved.path !== null) return saved.path;
    const checkpoint = captureCheckpoint({
      ...identityOf(run),
      module: run.compilation.module,
      state: await state(),
      step,
      progress: new Map([...reports].map(([task, own]) => [task, progressOf(task, own)])),
    });
    const path = await saveInFolder(folder, checkpoint, keep);
    saved = { step, path };
    return path;
  };
  return {
    save,
    finish: async (state, reports, reason) =>
      reason === 'diverged' || furthest(reports) === 0 ? saved.path : save(state, reports),
  };
}

function startText({ folder, latest, start }: CheckpointFiles, { starts }: Beginning, steps: number): string {
  if (latest !== null) {
    const [first] = starts.values();
    return `goes on from ${latest.path}: ${first?.reports.length ?? 0} of ${plural(steps, 'step')} done`;
  }
  if (start !== null) return `begins with the variables of ${start.path}`;
  return folder === null ? '' : `saves checkpoints in ${folder}`;
}
