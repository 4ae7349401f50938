import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A variable as recorded: name, shape, and whether it is trained. */
export type Recorded = readonly [name: string, shape: readonly number[], trainable: boolean];

/**
 * Variables that tf_cnn_benchmarks itself creates for these models, in that order, `global_step` left out: a file for
 * each model, a line `NAME 3x3x64x128` for each variable, with `fixed` behind it where it is not trained.
 */
export const RECORDED: ReadonlyMap<string, readonly Recorded[]> = new Map(
  readdirSync(join(import.meta.dirname, 'recorded')).map((file) => {
    const text = readFileSync(join(import.meta.dirname, 'recorded', file), 'utf8');
    return [file.replace('.txt', ''), text.trim().split('\n').map(readLine)];
  }),
);

function readLine(line: string): Recorded {
  const [name = '', dims = '', fixed] = line.split(' ');
  return [name, dims.split('x').map(Number), fixed === undefined];
}
