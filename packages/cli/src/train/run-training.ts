import {
  type Evaluation,
  evaluate,
  type Session,
  type TraceEvent,
  train,
  variableNorms,
} from '@placewright/runtime';
import type { Io } from '../io.js';
import type { Lowered } from '../lower.js';
import { conflict, type ModelSettings } from '../options/settings.js';
import type { OptionValues } from '../options/table.js';
import { createProgress } from '../ui/progress.js';
import type { CheckpointPlan } from './checkpoints.js';
import { type RunData, rowsOfStep } from './data.js';
import { type Interrupts, listenForInterrupts } from './interrupt.js';
import { testText, trainMeter } from './progress-text.js';
import { makeReport, type RunReport } from './run-report.js';

/** Steps of a run of which nothing is said. */
const DEFAULT_STEPS = 700;
/** Steps of the recorded runs. */
const RECORDED_STEPS = 15;

export interface TrainingPlan {
  readonly settings: ModelSettings;
  readonly engine: string;
  readonly data: RunData;
  readonly steps: number;
  readonly lowered: Lowered;
  readonly checkpoints: CheckpointPlan;
  readonly display: { readonly json: boolean; readonly quiet: boolean };
}

/** A run that is over. */
export interface TrainingRun {
  readonly report: RunReport;
  /** L2 norms of the final variables by shown name. */
  readonly norms: ReadonlyMap<string, number>;
  readonly trace: readonly TraceEvent[];
  /** Path of the last checkpoint; null where none is saved. */
  readonly checkpoint: string | null;
  /** Whether every step took the same recorded batch. */
  readonly recorded: boolean;
}

/** How many steps the options ask for. Throws PW_OPTION_CONFLICT. */
export function stepsOf({ steps, epochs }: OptionValues, settings: ModelSettings, data: RunData): number {
  if (steps !== undefined && epochs !== undefined) throw conflict('--steps', '--epochs');
  if (steps !== undefined) return steps;
  if (data.trainCount === null) {
    if (epochs !== undefined) throw conflict('--tensors', '--epochs');
    return RECORDED_STEPS;
  }
  if (epochs === undefined) return DEFAULT_STEPS;
  return Math.max(1, Math.ceil((epochs * data.trainCount) / rowsOfStep(settings)));
}

/** Trains with a progress line, tests unless it was stopped, and gathers what is left. */
export async function runTraining(io: Io, session: Session, plan: TrainingPlan): Promise<TrainingRun> {
  const { display } = plan;
  // JSON has the output to itself; progress then goes to a terminal or nowhere.
  const output = display.json ? io.stderr : io.stdout;
  const progress = createProgress(output, {
    silent: display.quiet || (display.json && !io.stderr.isTerminal),
  });
  const interrupts = listenForInterrupts(io, display);
  try {
    const meter = trainMeter(plan.steps);
    for (const report of plan.checkpoints.earlier) meter.add(report);
    const result = await train(session, {
      module: plan.lowered.compilation.module,
      steps: plan.steps,
      feeds: plan.data.feeds(plan.checkpoints.startBatch),
      ...plan.checkpoints.hooks(session),
      initial: plan.data.initial,
      signal: interrupts.signal,
      onStep(report) {
        meter.add(report);
        progress.update(meter.text);
      },
    });
    if (result.reports.length > 0) progress.finish(meter.endText);
    const checkpoint = await plan.checkpoints.finish(session, result);
    const trace = session.takeTrace();
    const test = result.reason === 'done' ? await testModel(session, plan, progress, interrupts) : null;
    const norms = variableNorms(await session.readVariables());
    const report = makeReport({
      ...plan,
      compilation: plan.lowered.compilation,
      data: plan.data.name,
      bindings: session.bindings,
      // Stopped while it was tested, a run has no result either.
      result: interrupts.signal.aborted ? { ...result, reason: 'stopped' } : result,
      test,
    });
    return { report, norms, trace, checkpoint, recorded: plan.data.trainCount === null };
  } finally {
    interrupts.dispose();
  }
}

/** Tests the model on all that training has not seen; null where there is nothing, and when it was stopped. */
export async function testModel(
  session: Session,
  { data }: Pick<TrainingPlan, 'data'>,
  progress: ReturnType<typeof createProgress>,
  { signal }: Interrupts,
): Promise<Evaluation | null> {
  const { test } = data;
  if (test === null || signal.aborted) return null;
  const result = await evaluate(session, {
    feeds: test.feeds(),
    signal,
    onBatch: (done) => progress.update((width) => testText(done, test.count, width)),
  });
  progress.finish((width) => testText(result, test.count, width));
  return result.examples === test.count ? result : null;
}
