import { status } from '@grpc/grpc-js';
import type { TensorValue } from '@placewright/ir';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ConnectOptions } from '../src/client/channel.js';
import { type Master, type MasterSession, openMaster, type Step } from '../src/client/master.js';
import { encodeTensor } from '../src/proto/tensor.js';
import { intField, messageField, type Parts, textField } from '../src/proto/wire.js';
import { type Answer, type FakeServer, fakeServer, named, SESSION } from './support/fake-server.js';

let server: FakeServer;
const masters: Master[] = [];

beforeAll(async () => {
  server = await fakeServer({});
});
afterAll(() => {
  for (const master of masters) master.close();
  server.stop();
});
beforeEach(() => {
  server.answers = { CreateSession: () => SESSION };
});

const connect = (options: ConnectOptions = {}): Master => {
  const master = openMaster(server, options);
  masters.push(master);
  return master;
};

/** A session whose steps are answered so. */
async function session(
  answer: (request: Buffer) => Answer,
  options?: ConnectOptions,
): Promise<MasterSession> {
  server.answers = { CreateSession: () => SESSION, RunStep: answer };
  return connect(options).createSession(new Uint8Array(0));
}

const value: TensorValue = { dtype: 'float32', shape: [2], data: Float32Array.of(1, -2) };
interface Fault {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly where: { readonly node?: string };
}

const faultOf = async (promise: Promise<unknown>) =>
  promise.then(
    (): Fault => ({ code: 'none', message: '', hint: '', where: {} }),
    (error: Fault) => error,
  );

async function fault(answer: (request: Buffer) => Answer, step: Step = { fetches: ['a:0'] }) {
  return faultOf((await session(answer)).run(step));
}

describe('a step', () => {
  test('gives its fetches in their order, whatever that of the reply is', async () => {
    const other: TensorValue = { dtype: 'bool', shape: [], data: Uint8Array.of(1) };
    const steps = await session(() => [
      ...named('b:0', encodeTensor(other)),
      ...named('a:0', encodeTensor(value)),
    ]);
    const { values } = await steps.run({ fetches: ['a:0', 'b:0'] });
    expect([...values]).toEqual([
      ['a:0', value],
      ['b:0', other],
    ]);
  });

  test('takes several large tensors out of one reply', async () => {
    const data = [0, 1, 2].map((i) => Float64Array.from({ length: 3001 + i }, (_, k) => k / 7 + i));
    const tensors = data.map((each): TensorValue => ({ dtype: 'float64', shape: [each.length], data: each }));
    const steps = await session(() =>
      tensors.flatMap((each, i) => named(`${'x'.repeat(i)}a${i}:0`, encodeTensor(each))),
    );
    const names = tensors.map((_, i) => `${'x'.repeat(i)}a${i}:0`);
    const { values } = await steps.run({ fetches: names });
    expect(names.map((name) => values.get(name))).toEqual(tensors);
  });

  test('sends its message whole', async () => {
    let request: Buffer = Buffer.alloc(0);
    const steps = await session((bytes) => {
      request = bytes;
      return [];
    });
    const large = {
      dtype: 'int32',
      shape: [100_000],
      data: Int32Array.from({ length: 100_000 }, (_, i) => i),
    } as const;
    await steps.run({ feeds: new Map([['x:0', large]]), targets: ['train'], timeoutMs: 5000 });
    expect(request.includes('a session')).toBe(true);
    expect(request.includes('train')).toBe(true);
    expect(request.includes(Buffer.from(large.data.buffer))).toBe(true);
  });

  test('tells what ran where when it was traced', async () => {
    const node = [
      ...textField(1, 'conv0'),
      ...intField(2, 100),
      ...intField(5, 20),
      ...textField(8, 'conv0 = Conv2D'),
    ];
    const device = [...textField(1, '/device:CPU:1'), ...messageField(2, node)];
    const steps = await session(() => messageField(2, messageField(1, messageField(1, device))));
    expect((await steps.run({ trace: true })).stats).toEqual([
      { device: '/device:CPU:1', node: 'conv0', startMicros: 100n, endMicros: 120n, label: 'conv0 = Conv2D' },
    ]);
  });
});

describe('a failure', () => {
  test.each([
    ['unavailable', status.UNAVAILABLE, 'PW_CLUSTER_UNAVAILABLE', '--resume'],
    ['an argument', status.INVALID_ARGUMENT, 'PW_CLUSTER_REFUSED', 'TensorFlow'],
    ['an op that there is not', status.NOT_FOUND, 'PW_CLUSTER_REFUSED', 'TensorFlow'],
    ['late', status.DEADLINE_EXCEEDED, 'PW_CLUSTER_TIMEOUT', 'more time'],
    ['broken off', status.ABORTED, 'PW_CLUSTER_ABORTED', 'checkpoint'],
    ['called off', status.CANCELLED, 'PW_CLUSTER_CANCELLED', 'again'],
    ['out of memory', status.RESOURCE_EXHAUSTED, 'PW_CLUSTER_MEMORY', 'batch'],
  ])('%s names the task, and says what to do', async (_, code, expected, hint) => {
    for (const answer of [
      { code, details: 'what TensorFlow says of {{node conv0/Conv2D}}' },
      // The same, in the body of the reply.
      [...intField(3, code), ...textField(4, 'what TensorFlow says of {{node conv0/Conv2D}}')],
    ]) {
      const error = await fault(() => answer);
      expect(error.code).toBe(expected);
      expect(error.message).toContain(`RunStep on worker 0 (${server.address})`);
      expect(error.message).toContain('what TensorFlow says');
      expect(error.hint).toContain(hint);
      expect(error.where.node).toBe('conv0/Conv2D');
    }
  });

  test('of another task that could not be reached names that one', async () => {
    const details = 'failed to connect to all addresses; /job:worker/replica:0/task:7 is gone';
    const error = await fault(() => ({ code: status.UNAVAILABLE, details }));
    expect(error.message).toContain('did not reach worker 7');
  });

  test('of endless text is cut short', async () => {
    const error = await fault(() => [...intField(3, 3), ...textField(4, 'x'.repeat(1e6))]);
    expect(error.message.length).toBeLessThan(2500);
  });

  test('is a lack of someone who listens', async () => {
    const nobody = openMaster({ task: { job: 'ps', index: 0 }, address: '127.0.0.1:1' });
    masters.push(nobody);
    const error = await faultOf(nobody.ownDevices({ timeoutMs: 2000 }));
    expect(error.code).toBe('PW_CLUSTER_UNAVAILABLE');
    expect(error.message).toContain('ps 0 (127.0.0.1:1)');
  });

  test('is an answer that never comes', async () => {
    const error = await fault(() => null, { targets: ['train'], timeoutMs: 50 });
    expect(error.code).toBe('PW_CLUSTER_TIMEOUT');
  });

  test('is a signal, whose reason comes at once', async () => {
    const steps = await session(() => null);
    const controller = new AbortController();
    const running = steps.run({ targets: ['train'] }, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('worker 1 is gone')), 20);
    await expect(running).rejects.toThrow('worker 1 is gone');
    await expect(steps.run({}, { signal: controller.signal })).rejects.toThrow('worker 1 is gone');
  });
});

describe('a hostile reply', () => {
  const tensor = encodeTensor(value);
  test.each<[string, Parts]>([
    ['lacks a fetch', []],
    ['has another fetch', named('b:0', tensor)],
    ['has a tensor without a name', messageField(1, messageField(2, tensor))],
    ['has a name without a tensor', messageField(1, textField(1, 'a:0'))],
    ['is cut off', [Uint8Array.of(0x0a, 0x7f, 0)]],
    ['has the wrong wire type', intField(1, 5)],
    ['is noise', [Uint8Array.from({ length: 300 }, (_, i) => (i * 7919) % 256)]],
    ['has metadata that is cut off', messageField(2, [Uint8Array.of(0x0a, 0x20)])],
  ])('is an error: it %s', async (_, parts) => {
    const error = await fault(() => parts);
    expect(error.code).toBe('PW_CLUSTER_REPLY');
    expect(error.message).toContain('worker 0');
  });

  test('without a session is an error', async () => {
    server.answers = { CreateSession: () => [] };
    const error = await faultOf(connect().createSession(new Uint8Array(0)));
    expect(error.code).toBe('PW_CLUSTER_REPLY');
  });

  test('with fewer fetches than a prepared step has is an error', async () => {
    server.answers = {
      CreateSession: () => SESSION,
      MakeCallable: () => intField(1, 5),
      RunCallable: () => messageField(1, tensor),
      ReleaseCallable: () => [],
    };
    const made = await connect().createSession(new Uint8Array(0));
    const one = await made.prepare({ feeds: ['x:0'], fetches: ['a:0'], targets: [], options: {} });
    expect(await one.run([value])).toEqual([value]);
    await one.release();
    const two = await made.prepare({ feeds: [], fetches: ['a:0', 'b:0'], targets: [], options: {} });
    expect((await faultOf(two.run([]))).code).toBe('PW_CLUSTER_REPLY');
  });

  test('beyond the limit is not taken', async () => {
    const steps = await session(() => named('a:0', [new Uint8Array(5000)]), { maxMessageBytes: 4000 });
    const error = await faultOf(steps.run({ fetches: ['a:0'] }));
    expect(error.code).toBe('PW_CLUSTER_MESSAGE_SIZE');
    expect(error.hint).toContain('maxMessageBytes');
  });
});

describe('limits', () => {
  test('hold for what is sent, and nothing is', async () => {
    const steps = await session(() => [], { maxMessageBytes: 4000 });
    server.calls.length = 0;
    const large: TensorValue = { dtype: 'uint8', shape: [4000], data: new Uint8Array(4000) };
    const error = await faultOf(steps.run({ feeds: new Map([['x:0', large]]) }));
    expect(error.code).toBe('PW_CLUSTER_MESSAGE_SIZE');
    expect(server.calls).toEqual([]);
  });

  test.each([0, -1, 1.5, 2 ** 31, Number.NaN])('of %s bytes are not possible', (maxMessageBytes) => {
    expect(() => connect({ maxMessageBytes })).toThrow(
      expect.objectContaining({ code: 'PW_CLUSTER_MESSAGE_SIZE' }),
    );
  });

  test('keep connections on this machine', () => {
    expect(() => openMaster({ task: { job: 'ps', index: 0 }, address: '10.0.0.1:1' })).toThrow(
      expect.objectContaining({ code: 'PW_CLUSTER_NETWORK' }),
    );
  });
});
