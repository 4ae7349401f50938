import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { findTensorFlow } from '../src/servers/python.js';
import { type ServerOptions, startServers } from '../src/servers/start.js';

// What can be missing or go wrong, with programs that stand for Python. The real one: servers.test.ts.

const folder = mkdtempSync(join(tmpdir(), 'placewright-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

/** A program that does what the lines of a shell say. */
function program(name: string, ...lines: string[]): string {
  writeFileSync(at(name), ['#!/bin/sh', ...lines, ''].join('\n'));
  chmodSync(at(name), 0o755);
  return at(name);
}

/** Says that it has TensorFlow; started as a server, it does what the lines say. */
const server = (name: string, ...lines: string[]): string =>
  program(name, 'if [ "$1" = "-c" ]; then exit 0; fi', 'read spec', ...lines);

const fault = async (promise: Promise<unknown>) =>
  promise.then(
    () => ({ code: 'none', message: '', hint: '' }),
    (error: { code: string; message: string; hint: string }) => error,
  );

const start = (options: Partial<ServerOptions>) =>
  fault(startServers({ ps: 0, workers: 1, devices: 1, logs: at('logs'), env: {}, ...options }));

describe('without TensorFlow', () => {
  test('it is said how to get it', async () => {
    const error = await fault(findTensorFlow({ venv: at('none'), env: {} }));
    expect(error.code).toBe('PW_CLUSTER_TENSORFLOW');
    expect(error.hint).toContain('placewright cluster up');
  });

  test('a Python that there is not cannot make the environment', async () => {
    const env = { PLACEWRIGHT_PYTHON: at('no-python') };
    const error = await fault(findTensorFlow({ venv: at('none'), install: true, env }));
    expect(error.code).toBe('PW_CLUSTER_PYTHON');
    expect(error.hint).toContain('PLACEWRIGHT_PYTHON');
  });

  test('a Python that was named and cannot be started is an error', async () => {
    expect((await fault(findTensorFlow({ python: at('no-python') }))).code).toBe('PW_CLUSTER_PYTHON');
  });
});

describe.skipIf(process.platform === 'win32')('a server', () => {
  test('of a Python without TensorFlow is not started', async () => {
    const python = program('bare', 'exit 1');
    expect((await start({ python })).code).toBe('PW_CLUSTER_TENSORFLOW');
  });

  test('of an old Python is not installed', async () => {
    const env = { PLACEWRIGHT_PYTHON: program('old', 'exit 1') };
    const error = await start({ venv: at('none'), install: true, env });
    expect([error.code, error.message]).toEqual(['PW_CLUSTER_PYTHON', expect.stringContaining('older')]);
  });

  test('is made an environment first, with progress, and an error of that tells why', async () => {
    const lines = ['case "$*" in *venv*) echo no room >&2; exit 1;; esac', 'exit 0'];
    const told: string[] = [];
    const error = await start({
      venv: at('none'),
      install: true,
      env: { PLACEWRIGHT_PYTHON: program('venv', ...lines) },
      onProgress: (line) => told.push(line),
    });
    expect([error.code, error.message]).toEqual(['PW_CLUSTER_INSTALL', expect.stringContaining('no room')]);
    expect(told).toEqual([`Making a virtual environment in ${at('none')}`]);
  });

  test('that ends by itself is told of with the end of its log', async () => {
    const python = server('dies', 'echo something broke >&2', 'exit 7');
    const error = await start({ python });
    expect(error.code).toBe('PW_CLUSTER_SERVER');
    expect(error.message).toMatch(/worker 0 \(127\.0\.0\.1:\d+\) ended with code 7\n {2}something broke/);
    expect(readFileSync(at('logs/worker-0.log'), 'utf8')).toBe('something broke\n');
  });

  test.each([
    ['server', 'Could not start gRPC server', 'PW_CLUSTER_PORT'],
    ['server', 'no more threads', 'PW_CLUSTER_SERVER'],
    ['import', 'No module named tensorflow', 'PW_CLUSTER_TENSORFLOW'],
    ['exposed', '00000000', 'PW_CLUSTER_EXPOSED'],
  ])('that says "%s: %s" is an error of its own', async (kind, message, code) => {
    const event = JSON.stringify({ event: 'failed', kind, message });
    const ports = [45_678];
    const error = await start({ python: server(`fails-${code}`, `echo '${event}'`, 'exit 3'), ports });
    expect(error.code).toBe(code);
    expect(error.message).toContain('worker 0');
  });

  test('that says nothing is given up, and ended', async () => {
    const python = server('silent', `echo $$ > ${at('pid')}`, 'exec sleep 600');
    const error = await start({ python, startTimeoutMs: 400 });
    expect(error.code).toBe('PW_CLUSTER_TIMEOUT');
    expect(() => process.kill(Number(readFileSync(at('pid'), 'utf8')), 0)).toThrow('ESRCH');
  });

  test('is not waited for any longer once that is called off', async () => {
    const python = server('waits', 'exec sleep 600');
    const signal = AbortSignal.timeout(200);
    expect((await fault(startServers({ ps: 0, workers: 2, devices: 1, python, signal }))).message).toContain(
      'timeout',
    );
  });
});

describe('what is asked for', () => {
  test.each<[string, Partial<ServerOptions>, string]>([
    ['no workers', { workers: 0 }, 'PW_CLUSTER_SIZE'],
    ['half a parameter server', { ps: 0.5 }, 'PW_CLUSTER_SIZE'],
    ['too many devices', { devices: 5000 }, 'PW_CLUSTER_SIZE'],
    ['too few ports', { workers: 2, ports: [1] }, 'PW_CLUSTER_SIZE'],
    ['a host in the network', { host: '10.0.0.1' }, 'PW_CLUSTER_NETWORK'],
  ])('is refused with %s, before anything is made', async (_, options, code) => {
    const logs = at('unmade');
    expect((await start({ ...options, logs })).code).toBe(code);
    expect(readdirSync(folder)).not.toContain('unmade');
  });
});
