import { type TensorValue, tensorOf, toNumbers } from '@placewright/ir';
import type { StepReport } from '../train-loop.js';

/** How far a training loop is. */
export interface Progress {
  /** Of all steps since the first. */
  readonly reports: readonly StepReport[];
  /** Number of the batch that the next step takes, in the order of its data. */
  readonly batch: number;
  /** Which data, in which order: progress in other data means nothing. */
  readonly data: string;
}

/** Loss, examples classified rightly (NaN where nobody counts them), examples, milliseconds. */
const COLUMNS = 4;

/** Reports as a table of float64, a row for each step. */
export function encodeReports(reports: readonly StepReport[]): TensorValue {
  const rows = reports.flatMap(({ loss, correct, examples, elapsedMs }) => [
    loss,
    correct ?? Number.NaN,
    examples,
    elapsedMs,
  ]);
  return tensorOf('float64', [reports.length, COLUMNS], rows);
}

/** Undefined where the tensor is no such table. */
export function decodeReports(table: TensorValue): StepReport[] | undefined {
  const [count = 0, columns] = table.shape;
  if (table.dtype !== 'float64' || table.shape.length !== 2 || columns !== COLUMNS) return undefined;
  const numbers = toNumbers(table);
  return Array.from({ length: count }, (_, i) => {
    const [loss = 0, correct = 0, examples = 0, elapsedMs = 0] = numbers.slice(
      i * COLUMNS,
      (i + 1) * COLUMNS,
    );
    return { step: i + 1, loss, correct: Number.isNaN(correct) ? null : correct, examples, elapsedMs };
  });
}
