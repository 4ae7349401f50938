import { type DeviceName, PlacewrightError } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { type Pool, startPool } from '../src/engines/embedded/pool.js';
import { recordError, reviveError, type ToWorker } from '../src/engines/embedded/protocol.js';
import type { DeviceThread } from '../src/engines/embedded/thread.js';

/** A thread that is ready at once, hears everything and answers nothing, until it is made to end. */
function fakeThread() {
  const heard: ToWorker[] = [];
  let end: (cause: unknown) => void = () => undefined;
  const thread: DeviceThread = {
    post: (message) => {
      heard.push(message);
    },
    onMessage: (handler) => handler({ kind: 'ready' }),
    onEnd: (handler) => {
      end = handler;
    },
    hold: () => undefined,
    end: async () => undefined,
  };
  return { thread, heard, end: (cause: unknown) => end(cause) };
}

async function poolOf(devices: readonly DeviceName[]) {
  const fakes = new Map(devices.map((device) => [device, fakeThread()]));
  const crashes: string[] = [];
  const pool = await startPool({
    devices,
    resources: new Map(),
    threads: 1,
    trace: false,
    spawn: ({ device }) => (fakes.get(device) as ReturnType<typeof fakeThread>).thread,
    onNews: () => undefined,
    onCrash: ({ code }) => crashes.push(code),
  });
  return { pool, fakes, crashes };
}

const read = (pool: Pool, device: DeviceName) =>
  pool.call(device, (call) => ({ kind: 'read', call, ids: [] }));
const [A, B] = ['/device:GPU:0', '/device:GPU:1'] as const;

describe('when a thread ends by itself', () => {
  test('calls that wait and all later ones are refused, whichever device they are for', async () => {
    const { pool, fakes, crashes } = await poolOf([A, B]);
    const waiting = read(pool, B);
    fakes.get(A)?.end(new Error('out of memory'));
    const lost = expect.objectContaining({ code: 'PW_ENGINE_WORKER', kind: 'internal' });
    await expect(waiting).rejects.toThrow(lost);
    const heard = fakes.get(B)?.heard.length;
    await expect(read(pool, A)).rejects.toThrow(lost);
    await expect(read(pool, B)).rejects.toThrow(/GPU:0 has ended: out of memory/);
    expect(fakes.get(B)?.heard).toHaveLength(heard ?? 0);
    expect(crashes).toEqual(['PW_ENGINE_WORKER']);
  });

  test('the first cause is the one that is told', async () => {
    const { pool, fakes } = await poolOf([A, B]);
    fakes.get(B)?.end('it ended with code 3');
    fakes.get(A)?.end('it ended with code 4');
    await expect(read(pool, A)).rejects.toThrow(/GPU:1 has ended: it ended with code 3/);
  });
});

describe('an error that crosses between threads', () => {
  const across = (error: unknown): PlacewrightError => reviveError(structuredClone(recordError(error)));

  test('of the engine’s own says its message; the stack is the cause’s', () => {
    const error = new TypeError('x is not a function');
    const got = across(error);
    expect(got).toMatchObject({ code: 'PW_ENGINE_WORKER', kind: 'internal', message: 'x is not a function' });
    expect(got.cause).toMatchObject({ message: error.message, stack: error.stack });
  });

  test('with a code keeps all that it says, and what caused it', () => {
    const cause = new Error('from below');
    const got = across(
      new PlacewrightError('PW_ENGINE_REGION', 'failed', { where: { node: 'a' }, hint: 'mend it', cause }),
    );
    expect(got).toMatchObject({
      code: 'PW_ENGINE_REGION',
      message: 'failed',
      kind: 'user',
      where: { node: 'a' },
      hint: 'mend it',
    });
    expect(got.cause).toMatchObject({ message: 'from below', stack: cause.stack });
  });

  test('without a cause has none', () => {
    expect(across(new PlacewrightError('PW_DEADLOCK', 'stuck')).cause).toBeUndefined();
    expect(across('a string').message).toBe('a string');
  });
});
