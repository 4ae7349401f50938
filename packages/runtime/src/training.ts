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

// What training on one machine and in a cluster have in common.

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

export interface Batches {
  /** The next batch without taking it. */
  peek(): Feeds | undefined;
  next(): Feeds | undefined;
}

/** Batches of which the next can be looked at. */
export function peekable(feeds: Iterator<Feeds>): Batches {
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

/** Fills the staging areas, where there are any, with what the first batch gives. */
export async function warmUp(session: Session, module: Module, batches: Batches): Promise<void> {
  const entry = module.entries.warmUp;
  if (entry === undefined) return;
  const batch = entry.feeds.length === 0 ? new Map<string, TensorValue>() : batches.peek();
  if (batch !== undefined) await session.run('warmUp', batch);
}

/** Throws PW_MODEL_LOSS. */
export function reportOf(
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
