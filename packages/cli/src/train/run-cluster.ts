import { taskText } from '@placewright/ir';
import {
  type ClusterSession,
  type StepReport,
  type StopReason,
  trainCluster,
  type WorkerResult,
} from '@placewright/runtime';
import { type Io, jsonObject, printJson, printLine } from '../io.js';
import type { ModelSettings } from '../options/settings.js';
import type { OptionValues } from '../options/table.js';
import { formatLoss } from '../ui/numbers.js';
import { createProgress } from '../ui/progress.js';
import { type Column, formatTable } from '../ui/table.js';
import type { ClusterCheckpointPlan } from './checkpoints.js';
import { type RunData, workerFeeds } from './data.js';
import { listenForInterrupts } from './interrupt.js';
import type { LoweredCluster } from './lower-cluster.js';
import { outcomeLines, runJson } from './output.js';
import { trainMeter } from './progress-text.js';
import { makeReport } from './run-report.js';
import { type TrainingRun, testModel } from './run-training.js';

export interface ClusterPlan {
  readonly settings: ModelSettings;
  readonly engine: string;
  readonly data: RunData;
  /** Steps of each worker. */
  readonly steps: number;
  readonly lowered: LoweredCluster;
  readonly checkpoints: ClusterCheckpointPlan;
  readonly display: { readonly json: boolean; readonly quiet: boolean };
}

/** A cluster's run that is over: as a whole, and worker by worker. */
export interface ClusterRun extends TrainingRun {
  readonly workers: readonly WorkerResult[];
}

/** Trains the cluster with a progress line, tests the first worker's model unless it was stopped, and gathers what is left. */
export async function runCluster(io: Io, cluster: ClusterSession, plan: ClusterPlan): Promise<ClusterRun> {
  const { settings, data, display, lowered, steps, checkpoints } = plan;
  // JSON has the output to itself; progress then goes to a terminal or nowhere.
  const output = display.json ? io.stderr : io.stdout;
  const progress = createProgress(output, {
    silent: display.quiet || (display.json && !io.stderr.isTerminal),
  });
  const interrupts = listenForInterrupts(io, display);
  const chief = cluster.session(0);
  try {
    const meter = trainMeter(steps);
    // The others are about as far as the first.
    const count = (report: StepReport): void => meter.add(times(report, lowered.linked.tasks.length));
    checkpoints.earlier(0).forEach(count);
    const { workers, elapsedMs } = await trainCluster(cluster, {
      linked: lowered.linked,
      steps,
      feedsOf: (worker) => workerFeeds(data, settings, worker, checkpoints.startBatch(worker)),
      ...checkpoints.hooks(cluster),
      initial: data.initial,
      signal: interrupts.signal,
      onStep(task, report) {
        if (task !== 0) return;
        count(report);
        progress.update(meter.text);
      },
    });
    const reports = jointReports(workers);
    if (reports.length > 0) progress.finish(meter.endText);
    const trace = cluster.takeTrace();
    const reason = jointReason(workers);
    const checkpoint = await checkpoints.finish(cluster, workers, reason);
    const test = reason === 'done' ? await testModel(chief, plan, progress, interrupts) : null;
    const report = makeReport({
      ...plan,
      compilation: lowered.compilation,
      data: data.name,
      bindings: cluster.bindings,
      result: { reports, reason: interrupts.signal.aborted ? 'stopped' : reason, elapsedMs },
      test,
    });
    const norms = workers[0]?.norms ?? new Map();
    return { report, norms, trace, checkpoint, recorded: data.trainCount === null, workers };
  } finally {
    interrupts.dispose();
  }
}

function times(report: StepReport, count: number): StepReport {
  const { correct, examples } = report;
  return { ...report, correct: correct === null ? null : correct * count, examples: examples * count };
}

/** The steps that all workers took, as those of one: the mean of their losses, all their examples. */
function jointReports(workers: readonly WorkerResult[]): StepReport[] {
  const length = Math.min(...workers.map(({ reports }) => reports.length));
  return Array.from({ length }, (_, k) => {
    const all = workers.flatMap(({ reports }) => reports[k] ?? []);
    const sum = (pick: (report: StepReport) => number): number => all.reduce((n, each) => n + pick(each), 0);
    const counted = all.every(({ correct }) => correct !== null);
    return {
      step: k + 1,
      loss: sum(({ loss }) => loss) / all.length,
      correct: counted ? sum(({ correct }) => correct ?? 0) : null,
      examples: sum(({ examples }) => examples),
      elapsedMs: Math.max(...all.map(({ elapsedMs }) => elapsedMs)),
    };
  });
}

const WORST_FIRST: readonly StopReason[] = ['diverged', 'stopped', 'data'];

function jointReason(workers: readonly WorkerResult[]): StopReason {
  return WORST_FIRST.find((reason) => workers.some((worker) => worker.reason === reason)) ?? 'done';
}

/** The result: JSON, or what ran where, how each worker and all together fared, and the files. */
export function printClusterOutcome(
  io: Io,
  options: OptionValues,
  run: ClusterRun,
  { json, quiet }: { readonly json: boolean; readonly quiet: boolean },
): void {
  if (json) {
    const workers = run.workers.map(workerJson);
    printJson(io.stdout, run.recorded ? { workers } : { ...runJson(options, run), workers });
    return;
  }
  const table = quiet ? [] : ['Workers:', workerTable(run.workers, io.stdout.columns), ''];
  printLine(io.stdout, outcomeLines(io, options, run, quiet, table).join('\n'));
}

/** The form of the recorded runs. */
function workerJson({ task, reports, globalStep, norms }: WorkerResult) {
  return {
    task: task.index,
    losses: reports.map(({ loss }) => loss),
    globalStep,
    finalNorms: jsonObject(norms),
  };
}

function workerTable(workers: readonly WorkerResult[], width: number): string {
  const loss = (report: StepReport | undefined): string =>
    report === undefined ? '–' : formatLoss(report.loss);
  const columns: Column<WorkerResult>[] = [
    { title: 'worker', text: ({ task }) => taskText(task) },
    { title: 'steps', right: true, text: ({ reports }) => String(reports.length) },
    { title: 'first loss', right: true, text: ({ reports }) => loss(reports[0]) },
    { title: 'last loss', right: true, text: ({ reports }) => loss(reports.at(-1)) },
    {
      title: 'images',
      right: true,
      text: ({ reports }) => String(reports.reduce((sum, { examples }) => sum + examples, 0)),
    },
    { title: 'global step', right: true, text: ({ globalStep }) => String(globalStep ?? '–') },
  ];
  return formatTable(columns, workers, width);
}
