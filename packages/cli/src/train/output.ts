import { isLocal, jobTasks, PS_JOB } from '@placewright/ir';
import type { Compilation } from '@placewright/passes';
import { chromeTrace, type Engine, summarizeTrace, type TraceEvent } from '@placewright/runtime';
import { writeAtomically } from '../files.js';
import { type Io, jsonObject, printJson, printLine } from '../io.js';
import type { Lowered } from '../lower.js';
import type { ModelSettings } from '../options/settings.js';
import type { OptionValues } from '../options/table.js';
import { reportPage } from '../report/page.js';
import { formatDuration, formatLoss, formatMs, formatPercent, plural } from '../ui/numbers.js';
import { printWarning } from '../ui/warning.js';
import type { CheckpointPlan } from './checkpoints.js';
import { type RunData, workersOf } from './data.js';
import { deviceTable, type RunReport } from './run-report.js';
import type { TrainingRun } from './run-training.js';

/** Prints what is worth a word about a compilation. */
export function printWarnings(io: Io, { warnings }: Pick<Compilation, 'warnings'>): void {
  for (const { hint, ...warning } of warnings)
    printWarning(io, { ...warning, hint: `${hint}; --silence ${warning.code} keeps this from being said` });
}

/** What is about to run, and on what. */
export function printStart(
  io: Io,
  start: {
    readonly settings: ModelSettings;
    readonly engine: Engine;
    readonly data: RunData;
    readonly steps: number;
    readonly lowered: Lowered;
    readonly checkpoints: Pick<CheckpointPlan, 'text'>;
    readonly binding: string;
  },
): void {
  const { settings, engine, data, steps, lowered, checkpoints } = start;
  const { module, records } = lowered.compilation;
  const { model, strategy } = settings;
  const images = data.trainCount === null ? data.name : `${data.name}, ${plural(data.trainCount, 'image')}`;
  const lines = [
    `${model.name} by ${strategy}: ${towersText(settings)}, ${plural(steps, 'step')} on ${images}`,
    `compiled in ${formatMs(lowered.ms)} ms: ${plural(module.graph.nodes.size, 'node')} after ${plural(records.length, 'pass', 'passes')}`,
    `engine ${engine.name}:`,
    ...start.binding.split('\n').map((line) => `  ${line}`),
    ...(checkpoints.text === '' ? [] : [checkpoints.text]),
  ];
  printLine(io.stdout, lines.join('\n'));
}

/** `2 towers of 8 images`, or in a cluster `2 workers with 2 towers of 4 images each, 2 parameter servers`. */
function towersText({ cluster, numGpus, batchSize }: ModelSettings): string {
  const towers = `${plural(numGpus, 'tower')} of ${plural(batchSize, 'image')}`;
  if (isLocal(cluster)) return towers;
  const servers = jobTasks(cluster, PS_JOB).length;
  return `${plural(workersOf(cluster), 'worker')} with ${towers} each, ${plural(servers, 'parameter server')}`;
}

/** A loss that ends above this has not learned anything: that of a guess is the logarithm of the number of classes. */
const LARGE_LOSS = 20;

/** Warns of a run that ended with a loss that no classifier should have. */
export function warnOfLoss(io: Io, { training }: ModelSettings, { steps }: RunReport): void {
  const loss = steps.at(-1)?.loss ?? 0;
  if (!(loss > LARGE_LOSS)) return;
  printWarning(io, {
    code: 'PW_LOSS_LARGE',
    message: `the loss ends at ${formatLoss(loss)}`,
    hint: `lower --learning-rate, which was ${training.optimizer.learningRate}, or clip with --gradient-clip`,
  });
}

/** Writes the report page and the trace, where they were asked for. Throws PW_FILE_WRITE. */
export function writeOutputs({ report, trace }: OptionValues, run: TrainingRun): void {
  if (report !== undefined) writeAtomically(report, reportPage(run.report));
  if (trace !== undefined) writeAtomically(trace, chromeTrace(run.trace));
}

/** The result: JSON, or what ran where, how well it learned, and the files. */
export function printOutcome(
  io: Io,
  options: OptionValues,
  run: TrainingRun,
  { json, quiet }: { readonly json: boolean; readonly quiet: boolean },
): void {
  if (json) {
    printJson(io.stdout, run.recorded ? recordedJson(run) : runJson(options, run));
    return;
  }
  printLine(io.stdout, outcomeLines(io, options, run, quiet).join('\n'));
}

/** What ran where, how well it learned, and the files; `more` comes after the devices. */
export function outcomeLines(
  io: Io,
  options: OptionValues,
  run: TrainingRun,
  quiet: boolean,
  more: readonly string[] = [],
): string[] {
  const { report } = run;
  return [
    ...(quiet
      ? []
      : [
          '',
          'What ran where, and the bytes that went in a step:',
          deviceTable(report.placement, report.bindings, io.stdout.columns),
          '',
        ]),
    ...more,
    outcomeText(report),
    ...traceLines(run.trace),
    ...fileLines(options, run),
  ];
}

function outcomeText({ steps, stepsWanted, reason, elapsedMs, imagesPerSecond, test }: RunReport): string {
  const last = steps.at(-1);
  const rate = `${plural(Math.round(imagesPerSecond), 'image')}/s`;
  const done = `${steps.length} of ${plural(stepsWanted, 'step')} in ${formatDuration(elapsedMs / 1000)}, ${rate}, loss of the last ${last === undefined ? '–' : formatLoss(last.loss)}`;
  if (reason === 'stopped') return `Stopped: ${done}. Nothing was tested.`;
  if (test === null) return `Trained: ${done}.`;
  return `Trained: ${done}.\nTest accuracy: ${formatPercent(test.accuracy, 2)} of ${plural(test.examples, 'image')} that training did not see.`;
}

/** Calls of each device in a step, and how much of the computing overlapped. */
function traceLines(trace: readonly TraceEvent[]): string[] {
  if (trace.length === 0) return [];
  const { devices, overlap } = summarizeTrace(trace, 'step');
  return [
    `Devices computed at the same time for ${formatPercent(overlap, 0)} of the time in which any did. In a step:`,
    ...devices.map(
      ({ device, regionsPerRun, regionMsPerRun, kernelMsPerRun, transfersPerRun }) =>
        `  ${device}: ${regionsPerRun.toFixed(1)} calls in ${formatMs(regionMsPerRun)} ms, other kernels ${formatMs(kernelMsPerRun)} ms, ${transfersPerRun.toFixed(1)} copies`,
    ),
  ];
}

function fileLines({ out, report, trace }: OptionValues, { checkpoint }: TrainingRun): string[] {
  return [
    ...(out === undefined ? [] : [`Lowered graph: ${out}`]),
    ...(report === undefined ? [] : [`Report page:   ${report}`]),
    ...(trace === undefined ? [] : [`Trace:         ${trace}`]),
    ...(checkpoint === null ? [] : [`Checkpoint:    ${checkpoint}`]),
  ];
}

/** The form of the recorded runs. */
function recordedJson({ report, norms }: TrainingRun) {
  return { losses: report.steps.map(({ loss }) => loss), finalNorms: jsonObject(norms) };
}

/** All that is known of a run. */
export function runJson(
  { accumulate = 'float32', out, report: page, trace }: OptionValues,
  run: TrainingRun,
) {
  const { report, norms } = run;
  const { model, strategy, engine, data, reason, stepsWanted, steps, elapsedMs, imagesPerSecond, test } =
    report;
  const { bindings, placement, warnings } = report;
  return {
    ...{ model, strategy, engine, accumulate, data, reason, stepsWanted, steps: steps.length },
    losses: steps.map(({ loss }) => loss),
    accuracies: steps.map(({ correct, examples }) => (correct === null ? null : correct / examples)),
    test,
    seconds: elapsedMs / 1000,
    imagesPerSecond,
    bindings,
    ...placement,
    warnings,
    ...(run.trace.length === 0 ? {} : { trace: summarizeTrace(run.trace, 'step') }),
    finalNorms: jsonObject(norms),
    files: { out, report: page, trace, ...(run.checkpoint === null ? {} : { checkpoint: run.checkpoint }) },
  };
}
