import type { Module, TensorValue } from '@placewright/ir';
import type { Session } from './engine.js';
import {
  type Feeds,
  initialValues,
  peekable,
  reportOf,
  type StepReport,
  type StopReason,
  warmUp,
} from './training.js';

export type { Feeds, StepReport, StopReason } from './training.js';

export interface TrainOptions {
  readonly module: Module;
  readonly steps: number;
  /** One batch for each step; the first also fills the staging areas. */
  readonly feeds: Iterator<Feeds>;
  /** Initial values by logical name (`conv0/biases`), the same on every tower, in place of the module's own. */
  readonly initial?: ReadonlyMap<string, TensorValue>;
  readonly onStep?: (report: StepReport) => void;
  /**
   * Takes up an earlier run, once the variables are initialised and before anything else runs: puts back what was saved,
   * and says what had been done. `feeds` then begin with the batch of the next step.
   */
  readonly resume?: (session: Session) => Promise<ResumedRun>;
  /** Awaited after each step, with all reports so far: the time to save. */
  readonly afterStep?: (reports: readonly StepReport[]) => Promise<void>;
  /** Ends training after the step that is running. */
  readonly signal?: AbortSignal;
}

/** An earlier run that is taken up. */
export interface ResumedRun {
  readonly reports: readonly StepReport[];
  /** Whether staging areas hold what they held, so that they need not be filled. */
  readonly warm: boolean;
}

export interface TrainResult {
  /** Of all steps, those of an earlier run that was taken up among them. */
  readonly reports: readonly StepReport[];
  readonly reason: StopReason;
  /** Milliseconds of the steps alone. */
  readonly elapsedMs: number;
}

/**
 * Initialises the session's variables, warms up, and trains. What has been trained stays in the session.
 * A step whose loss is not finite is the last one, and is reported. Throws PW_TENSORS_VARIABLE, PW_FEED_*, and what
 * the engine throws.
 */
export async function train(session: Session, options: TrainOptions): Promise<TrainResult> {
  const { module, steps, feeds, onStep, signal, resume, afterStep } = options;
  await initialise(session, module, options.initial);
  const earlier = await resume?.(session);
  const batches = peekable(feeds);
  const reports: StepReport[] = [...(earlier?.reports ?? [])];
  if (earlier?.warm !== true && reports.length < steps) await warmUp(session, module, batches);
  // The clock goes on from where the earlier run was.
  const started = performance.now() - (reports.at(-1)?.elapsedMs ?? 0);
  const result = (reason: StopReason): TrainResult => ({
    reports,
    reason,
    elapsedMs: performance.now() - started,
  });
  while (reports.length < steps) {
    if (signal?.aborted) return result('stopped');
    const batch = batches.next();
    if (batch === undefined) return result('data');
    const fetched = await session.run('step', batch);
    const report = reportOf(fetched, batch, reports.length + 1, performance.now() - started);
    reports.push(report);
    onStep?.(report);
    if (!Number.isFinite(report.loss)) return result('diverged');
    await afterStep?.(reports);
    // An engine that computes on this thread would otherwise let no signal and no timer through.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return result('done');
}

/** Runs `init`, sets the given initial values on every tower, and runs `postInit`. */
export async function initialise(
  session: Session,
  module: Module,
  initial: ReadonlyMap<string, TensorValue> = new Map(),
): Promise<void> {
  const overwrites = initialValues(module, initial);
  if (module.entries.init !== undefined) await session.run('init');
  if (overwrites.size > 0) await session.writeVariables(overwrites);
  if (module.entries.postInit !== undefined) await session.run('postInit');
}
