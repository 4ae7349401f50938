import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PlacewrightError, taskText } from '@placewright/ir';
import { describeTask, type TaskAddress } from '../addresses.js';
import { PYTHON_FOLDER, tail } from './python.js';

/** What the Python program is told on its first line. */
export interface ServerSpec {
  readonly cluster: Readonly<Record<string, readonly string[]>>;
  readonly job: string;
  readonly task: number;
  readonly port: number;
  readonly cpus: number;
  /** Numbers of the machine's GPUs that it gets. */
  readonly gpus: readonly number[];
  /** 0 for TensorFlow's own choice. */
  readonly threads: number;
  readonly leader: string;
  /** Whether it may be reached from this machine alone. */
  readonly loopback: boolean;
}

/** A server's process. */
export interface ServerProcess extends TaskAddress {
  readonly pid: number;
  /** File with what TensorFlow writes. */
  readonly log: string;
  /** Resolves when TensorFlow says that the server has started. Throws PW_CLUSTER_PORT, PW_CLUSTER_SERVER, PW_CLUSTER_EXPOSED, PW_CLUSTER_TENSORFLOW. */
  readonly started: Promise<{ readonly version: string }>;
  /** Resolves when the process has ended, with how. */
  readonly ended: Promise<string>;
  /** Sends a signal; false where the process has ended. */
  signal(name: NodeJS.Signals): boolean;
}

export interface LaunchOptions {
  readonly python: string;
  readonly who: TaskAddress;
  readonly spec: ServerSpec;
  readonly log: string;
  readonly onImporting: () => void;
}

const LOG_LINES = 12;

/** Starts a server. It ends with this process, whatever becomes of that: it reads a pipe that we hold. */
export function launchServer({ python, who, spec, log, onImporting }: LaunchOptions): ServerProcess {
  const file = openSync(log, 'w');
  const child = spawn(python, ['-B', join(PYTHON_FOLDER, 'server.py')], {
    // A group of its own: Ctrl-C in the terminal is for us, and we take it down in good order.
    detached: process.platform !== 'win32',
    stdio: ['pipe', 'pipe', file],
    env: serverEnv(),
  });
  closeSync(file);
  const signal = (name: NodeJS.Signals): boolean => sendSignal(child, name);
  const atExit = (): void => void signal('SIGKILL');
  process.on('exit', atExit);
  const ended = endOf(child).finally(() => process.off('exit', atExit));
  child.stdin?.on('error', () => {});
  child.stdin?.write(`${JSON.stringify({ ...spec, parent: process.pid })}\n`);
  const started = startOf(child, { who, log, ended, onImporting });
  started.catch(() => {});
  return { ...who, pid: child.pid ?? 0, log, started, ended, signal };
}

/** Without proxies: gRPC would send the talk between the servers through them. */
function serverEnv(): NodeJS.ProcessEnv {
  const proxies = /^(?:https?|grpc|all)_proxy$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !proxies.test(name)));
}

function sendSignal(child: ChildProcess, name: NodeJS.Signals): boolean {
  const { pid, exitCode, signalCode } = child;
  if (pid === undefined || exitCode !== null || signalCode !== null) return false;
  try {
    return process.platform === 'win32' ? child.kill(name) : process.kill(-pid, name);
  } catch {
    return false;
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', ({ message }) => resolve(message));
    child.on('exit', (code, signal) => resolve(signal === null ? `code ${code}` : signal));
  });
}

interface Starting {
  readonly who: TaskAddress;
  readonly log: string;
  readonly ended: Promise<string>;
  readonly onImporting: () => void;
}

interface ServerEvent {
  readonly event: 'importing' | 'started' | 'failed';
  readonly version?: string;
  readonly kind?: string;
  readonly message?: string;
}

function startOf(child: ChildProcess, starting: Starting): Promise<{ version: string }> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = parseEvent(line);
      if (event?.event === 'importing') starting.onImporting();
      if (event?.event === 'started') resolve({ version: event.version ?? '' });
      if (event?.event === 'failed') reject(failure(event, starting));
    });
    // Lines that it wrote before its end are read first.
    void starting.ended.then((how) => setTimeout(() => reject(serverEnded(starting, how)), 50));
  });
}

function parseEvent(line: string): ServerEvent | undefined {
  try {
    return JSON.parse(line) as ServerEvent;
  } catch {
    return undefined;
  }
}

function failure({ kind, message = '' }: ServerEvent, { who, log }: Starting): PlacewrightError {
  const at = describeTask(who);
  const logged = readLog(log);
  if (kind === 'import') {
    return new PlacewrightError('PW_CLUSTER_TENSORFLOW', `${at} cannot import TensorFlow: ${message}`, {
      hint: 'remove the virtual environment and make it anew, or name another Python with --python',
    });
  }
  if (kind === 'exposed') {
    return new PlacewrightError('PW_CLUSTER_EXPOSED', `${at} would be reachable from other machines`, {
      hint: 'TensorFlow listens on all interfaces, and cannot be kept from it here; behind a firewall, or in a network that you trust, say --allow-network',
    });
  }
  if (/address already in use|could not start grpc server|failed to (?:add|bind)/i.test(message + logged)) {
    return new PlacewrightError('PW_CLUSTER_PORT', `${at} cannot have its port: another program has it`, {
      hint: 'leave the ports out, and free ones are taken; or end that program',
    });
  }
  return serverError(`${at} did not start: ${message}`, log);
}

function serverEnded({ who, log }: Starting, how: string): PlacewrightError {
  return serverError(`the server of ${describeTask(who)} ended with ${how}`, log);
}

/** A server that is not there any more, with the end of its log. */
export function serverError(fault: string, log: string): PlacewrightError {
  const lines = tail(readLog(log), LOG_LINES);
  return new PlacewrightError('PW_CLUSTER_SERVER', `${fault}${lines === '' ? '' : `\n  ${lines}`}`, {
    hint: `all that it said is in ${log}`,
  });
}

function readLog(log: string): string {
  try {
    return readFileSync(log, 'utf8').slice(-20_000);
  } catch {
    return '';
  }
}

/** `worker 1`, for messages about a server. */
export const nameOf = ({ task }: TaskAddress): string => taskText(task);
