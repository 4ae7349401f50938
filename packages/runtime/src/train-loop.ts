import {
  type Module,
  nearest,
  PlacewrightError,
  resourceName,
  type TensorValue,
  toNumbers,
  type VariableResource,
} from '@placewright/ir';
import type { Session } from './engine.js';

/** What one step is fed: tensors by input name, the rows of all towers one after the other. */
export type Feeds = ReadonlyMap<string, TensorValue>;

/** What is known of a step that has run. */
export interface StepReport {
  /** From 1. */
  readonly step: number;
  /** Mean over the towers, before the step's update, weight decay included. */
  readonly loss: number;
  /** Examples of the batch that were classified rightly; null where the model does not count them. */
  readonly correct: number | null;
  /** Rows of the batch, over all towers. */
  readonly examples: number;
  /** Milliseconds from the start of the first step to the end of this one. */
  readonly elapsedMs: number;
}

/** Why training ended: all steps done, told to, no more data, or a loss that is not finite. */
export type StopReason = 'done' | 'stopped' | 'data' | 'diverged';

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

async function warmUp(session: Session, module: Module, batches: Batches): Promise<void> {
  const entry = module.entries.warmUp;
  if (entry === undefined) return;
  const batch = entry.feeds.length === 0 ? new Map<string, TensorValue>() : batches.peek();
  if (batch !== undefined) await session.run('warmUp', batch);
}

/**
 * The given values by shown name: `conv0/biases` of the file goes to `v0/conv0/biases`, `v1/conv0/biases`, ….
 * Every trainable variable must have one. Throws PW_TENSORS_VARIABLE.
 */
export function initialValues(
  module: Module,
  initial: ReadonlyMap<string, TensorValue>,
): Map<string, TensorValue> {
  const out = new Map<string, TensorValue>();
  if (initial.size === 0) return out;
  const variables = [...module.resources.values()].filter(
    (r): r is VariableResource => r.kind === 'variable',
  );
  checkNames(variables, initial);
  for (const variable of variables) {
    const value = initial.get(variable.name);
    if (value === undefined) continue;
    const fits = value.dtype === variable.dtype && String(value.shape) === String(variable.shape);
    if (!fits) {
      const [have, want] = [value, variable].map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`);
      throw variableError(
        `${JSON.stringify(variable.name)} is ${have} in the tensors file, ${want} in the model`,
      );
    }
    out.set(resourceName(variable), value);
  }
  return out;
}

function checkNames(variables: readonly VariableResource[], initial: ReadonlyMap<string, TensorValue>): void {
  const names = [...new Set(variables.map(({ name }) => name))];
  for (const name of initial.keys()) {
    if (names.includes(name)) continue;
    const near = nearest(name, names);
    throw variableError(
      `the model has no variable ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${near}?`}`,
    );
  }
  const missing = variables.find(({ name, trainable }) => trainable && !initial.has(name));
  if (missing !== undefined)
    throw variableError(`there is no initial value for ${JSON.stringify(missing.name)}`);
}

function variableError(message: string): PlacewrightError {
  return new PlacewrightError('PW_TENSORS_VARIABLE', message, {
    hint: 'take the tensors file of this model, with the same input size and number of classes',
  });
}

interface Batches {
  /** The next batch without taking it. */
  peek(): Feeds | undefined;
  next(): Feeds | undefined;
}

function peekable(feeds: Iterator<Feeds>): Batches {
  let ahead: Feeds | undefined;
  const take = (): Feeds | undefined => {
    const { done, value } = feeds.next();
    return done === true ? undefined : value;
  };
  return {
    peek() {
      ahead ??= take();
      return ahead;
    },
    next() {
      const batch = ahead ?? take();
      ahead = undefined;
      return batch;
    },
  };
}

function reportOf(
  fetched: ReadonlyMap<string, TensorValue>,
  batch: Feeds,
  step: number,
  elapsedMs: number,
): StepReport {
  const loss = scalarOf(fetched, 'loss');
  if (loss === null) {
    throw new PlacewrightError('PW_MODEL_LOSS', 'the step does not give its loss', {
      hint: 'fetch the loss from the entry `step`',
    });
  }
  return { step, loss, correct: scalarOf(fetched, 'correctCount'), examples: rowsOf(batch), elapsedMs };
}

/** A fetched scalar; null where it was not fetched. */
export function scalarOf(fetched: ReadonlyMap<string, TensorValue>, name: string): number | null {
  const value = fetched.get(name);
  return value === undefined ? null : (toNumbers(value)[0] ?? null);
}

/** Rows of a batch: the first dimension of its first tensor. */
export function rowsOf(batch: Feeds): number {
  const [first] = batch.values();
  return first?.shape[0] ?? 0;
}
