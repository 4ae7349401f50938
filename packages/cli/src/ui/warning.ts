import { type Io, printLine } from '../io.js';
import { hanging, wrap } from './table.js';

/** Something that is no error, but that the user should know of. */
export interface Warning {
  readonly code: string;
  readonly message: string;
  /** Why it matters, where that is not plain. */
  readonly why?: string;
  /** What to do about it. */
  readonly hint: string;
}

/** Prints a warning to stderr, in the form of an error. */
export function printWarning({ stderr }: Io, { code, message, why, hint }: Warning): void {
  printLine(stderr, wrap(`warning[${code}]: ${message}`, stderr.columns, '    '));
  if (why !== undefined) printLine(stderr, hanging('  why: ', why, stderr.columns));
  printLine(stderr, hanging('  do: ', hint, stderr.columns));
}
