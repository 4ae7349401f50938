/** What a command sees of the world besides files, so that tests can run one in their own process. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls the handler at each Ctrl-C; gives the function that takes it off again. */
  onInterrupt(handler: () => void): () => void;
  /** Ends the process at once. */
  abort(code: number): void;
}

export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters of a line; 100 where nobody knows. */
  readonly columns: number;
}

/** The process's own streams and signals. */
export function processIo(): Io {
  return {
    stdout: processOutput(process.stdout),
    stderr: processOutput(process.stderr),
    env: process.env,
    onInterrupt(handler) {
      process.on('SIGINT', handler);
      return () => process.off('SIGINT', handler);
    },
    abort: (code) => process.exit(code),
  };
}

function processOutput(stream: NodeJS.WriteStream): Output {
  // A reader that went away (`| head`) is no error of ours.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  return {
    write: (text) => void stream.write(text),
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns || 100;
    },
  };
}

/** Writes one line. */
export function printLine(output: Output, text: string): void {
  output.write(`${text}\n`);
}

/** Writes a value as JSON on one line; maps become objects. */
export function printJson(output: Output, value: unknown): void {
  printLine(output, JSON.stringify(value));
}

/** A map as the entries of a JSON object. Made of own properties only, so that a key `__proto__` is one like any other. */
export function jsonObject<T>(map: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries(map);
}
