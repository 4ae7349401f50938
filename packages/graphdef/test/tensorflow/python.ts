import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

// TensorFlow itself, in the project's virtual environment. `node scripts/setup-tensorflow.mjs` gets it.

const VENV = join(import.meta.dirname, '../../../../.venv-tensorflow');
export const PYTHON = join(VENV, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

/** Whether there is a TensorFlow to test with. */
export function hasTensorFlow(): boolean {
  if (!existsSync(PYTHON)) return false;
  try {
    const program =
      'import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in ("tensorflow", "numpy")))';
    execFileSync(PYTHON, ['-c', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A question or an answer. */
export interface Frame {
  readonly header: Readonly<Record<string, unknown>>;
  readonly blobs: readonly Uint8Array[];
}

/** A Python process that answers one question after the other. */
export interface TensorFlow {
  /** Throws what TensorFlow says. */
  ask(command: string, header?: Frame['header'], blobs?: readonly Uint8Array[]): Promise<Frame>;
  close(): Promise<void>;
}

export function startTensorFlow(env: Readonly<Record<string, string>> = {}): TensorFlow {
  const child = spawn(PYTHON, [join(import.meta.dirname, 'session.py')], { env: { ...process.env, ...env } });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4000);
  });
  const answers = readFrames(child, () => log);
  let turn: Promise<unknown> = Promise.resolve();
  const ask: TensorFlow['ask'] = (command, header = {}, blobs = []) => {
    const answer = turn.then(async () => {
      writeFrame(child, { header: { ...header, command }, blobs });
      const { value } = await answers.next();
      if (value === undefined) throw new Error(`TensorFlow ended: ${log}`);
      if (typeof value.header.error === 'string') throw new Error(value.header.error);
      return value;
    });
    turn = answer.catch(() => undefined);
    return answer;
  };
  const close = async (): Promise<void> => {
    await turn;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end();
    await ended;
  };
  return { ask, close };
}

function writeFrame({ stdin }: ChildProcessWithoutNullStreams, { header, blobs }: Frame): void {
  const text = Buffer.from(JSON.stringify({ ...header, blobs: blobs.map(({ length }) => length) }));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);
  stdin.write(Buffer.concat([size, text, ...blobs]));
}

async function* readFrames(
  { stdout }: ChildProcessWithoutNullStreams,
  log: () => string,
): AsyncGenerator<Frame, undefined> {
  let bytes = Buffer.alloc(0);
  const chunks = stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const take = async (count: number): Promise<Buffer | null> => {
    while (bytes.length < count) {
      const { value, done } = await chunks.next();
      if (done === true) return null;
      bytes = Buffer.concat([bytes, value]);
    }
    const taken = bytes.subarray(0, count);
    bytes = bytes.subarray(count);
    return taken;
  };
  while (true) {
    const size = await take(4);
    if (size === null) return undefined;
    const text = await take(size.readUInt32LE());
    if (text === null) throw new Error(`TensorFlow ended within an answer: ${log()}`);
    const header = JSON.parse(text.toString()) as Record<string, unknown>;
    const blobs: Buffer[] = [];
    for (const length of header.blobs as number[]) {
      const blob = await take(length);
      if (blob === null) throw new Error(`TensorFlow ended within an answer: ${log()}`);
      blobs.push(blob);
    }
    yield { header, blobs };
  }
}
