import { formatError, PlacewrightError } from '@placewright/ir';

/** What a command sees of the world besides files, so that tests can run one in their own process. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls the handler at each Ctrl-C and each SIGTERM; gives the function that takes it off again. */
  onInterrupt(handler: () => void): () => void;
  /** Ends the process at once. */
  abort(code: number): void;
}

export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters of a line; 80 where nobody knows. */
  readonly columns: number;
}

/** Width of a line in a file or a pipe. */
export const DEFAULT_COLUMNS = 80;

/** Signals that ask to come to an end. */
const STOPPING = ['SIGINT', 'SIGTERM'] as const;

/** The process's own streams and signals. */
export function processIo(): Io {
  return {
    stdout: processOutput(process.stdout),
    stderr: processOutput(process.stderr),
    env: process.env,
    onInterrupt(handler) {
      for (const name of STOPPING) process.on(name, handler);
      return () => {
        for (const name of STOPPING) process.off(name, handler);
      };
    },
    abort: (code) => process.exit(code),
  };
}

/**
 * An output that takes what is written for as long as someone reads it. A reader that goes away (`| head`) is no error
 * of ours, and no reason to stop what else the command does. Any other failure, as of a full disk, is told on stderr,
 * and the process ends with 1.
 */
export function processOutput(stream: NodeJS.WriteStream): Output {
  let broken = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!broken && error.code !== 'EPIPE') reportLost(error);
    broken = true;
  });
  return {
    write(text) {
      if (!broken) stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns || DEFAULT_COLUMNS;
    },
  };
}

function reportLost(cause: Error): void {
  const error = new PlacewrightError('PW_OUTPUT_WRITE', `cannot write to the output: ${cause.message}`, {
    hint: 'make room where the output goes, or send it elsewhere',
  });
  process.stderr.write(`${formatError(error)}\n`);
  // At the very end, so that nothing puts a success over it.
  process.once('exit', () => {
    process.exitCode ||= 1;
  });
}

/** Writes one line. */
export function printLine(output: Output, text: string): void {
  output.write(`${text}\n`);
}

/** Writes a value as JSON on one line, with escapes for the controls that JSON leaves as they are. */
export function printJson(output: Output, value: unknown): void {
  const text = JSON.stringify(value).replace(
    /[\x7f-\x9f]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  printLine(output, text);
}

/** A map as the entries of a JSON object. Made of own properties only, so that a key `__proto__` is one like any other. */
export function jsonObject<T>(map: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries(map);
}
