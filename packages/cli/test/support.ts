import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Io, Output } from '../src/io.js';
import { run } from '../src/run.js';

/** An output that keeps what is written to it. */
export interface Captured extends Output {
  text: string;
}

export function captured(options: { terminal?: boolean; columns?: number } = {}): Captured {
  return {
    text: '',
    isTerminal: options.terminal ?? false,
    columns: options.columns ?? 80,
    write(text) {
      this.text += text;
    },
  };
}

export interface TestIo extends Io {
  readonly stdout: Captured;
  readonly stderr: Captured;
  /** Presses Ctrl-C. */
  press(): void;
  /** Codes that the process was ended with at once. */
  readonly aborted: number[];
}

export function testIo(
  options: { terminal?: boolean; columns?: number; env?: Record<string, string> } = {},
): TestIo {
  const handlers = new Set<() => void>();
  const aborted: number[] = [];
  return {
    stdout: captured(options),
    stderr: captured(options),
    env: options.env ?? {},
    aborted,
    onInterrupt(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    press() {
      for (const handler of handlers) handler();
    },
    abort: (code) => void aborted.push(code),
  };
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process. */
export async function placewright(...argv: string[]): Promise<Outcome> {
  const io = testIo();
  const code = await run(argv, io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

/** As `placewright`, for a command line that must succeed with JSON on its output. */
export async function json<T>(...argv: string[]): Promise<T> {
  const { code, out, err } = await placewright(...argv);
  if (code !== 0) throw new Error(`ended with ${code}: ${err}`);
  return JSON.parse(out) as T;
}

/** A folder for the tests of one file, removed after them. */
export function temporaryFolder(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'placewright-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

/** The project's own copy of the recorded training runs. */
export const RECORDED = join(import.meta.dirname, '../../testkit/data/goldens/training');

/** The project's own copy of the recorded placements. */
export const PLACEMENTS = join(import.meta.dirname, '../../testkit/data/goldens/placement');
