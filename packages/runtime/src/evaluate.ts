import type { TensorValue } from '@placewright/ir';
import type { Session } from './engine.js';
import { type Feeds, rowsOf, scalarOf } from './training.js';

export interface EvaluateOptions {
  /** Batches of the examples, each once; the last may be smaller. */
  readonly feeds: Iterator<Feeds>;
  /** Told after each batch. */
  readonly onBatch?: (progress: Evaluation) => void;
  /** Ends the evaluation after the batch that is running. */
  readonly signal?: AbortSignal;
}

export interface Evaluation {
  readonly examples: number;
  readonly correct: number | null;
  /** Mean over the examples. */
  readonly loss: number;
  /** Share of the examples that were classified rightly; null where the model does not count them. */
  readonly accuracy: number | null;
}

/** Runs the entry `eval` over all batches. With no batch the loss is NaN. Throws what the engine throws. */
export async function evaluate(session: Session, options: EvaluateOptions): Promise<Evaluation> {
  const { feeds, onBatch, signal } = options;
  let examples = 0;
  let correct: number | null = 0;
  let total = 0;
  const progress = (): Evaluation => ({
    examples,
    correct,
    loss: total / examples,
    accuracy: correct === null ? null : correct / examples,
  });
  for (let next = feeds.next(); next.done !== true && !signal?.aborted; next = feeds.next()) {
    const rows = rowsOf(next.value);
    const fetched = await session.run('eval', next.value);
    const hits = scalarOf(fetched, 'correctCount');
    examples += rows;
    correct = correct === null || hits === null ? null : correct + hits;
    total += (scalarOf(fetched, 'loss') ?? Number.NaN) * rows;
    onBatch?.(progress());
    await new Promise((resolve) => setImmediate(resolve));
  }
  return progress();
}

/** L2 norm of each float variable by its shown name, added up in float64. Counters (`global_step`) have none. */
export function variableNorms(variables: ReadonlyMap<string, TensorValue>): Map<string, number> {
  const norms = new Map<string, number>();
  for (const [name, { data }] of variables) {
    if (!(data instanceof Float32Array || data instanceof Float64Array)) continue;
    let sum = 0;
    for (const x of data) sum += x * x;
    norms.set(name, Math.sqrt(sum));
  }
  return norms;
}
