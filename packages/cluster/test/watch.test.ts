import { afterEach, describe, expect, test } from 'vitest';
import { type TaskLoss, type TaskWatch, watchTasks } from '../src/client/watch.js';
import { messageField, type Parts, textField } from '../src/proto/wire.js';
import { type FakeServer, fakeServer } from './support/fake-server.js';

const QUICK = { intervalMs: 20, timeoutMs: 300 };
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A GetStatusResponse of a server that drew this number. */
const statusOf = (incarnation: number): Parts =>
  messageField(1, [...textField(1, '/device:CPU:0'), Uint8Array.of(0x31, incarnation, 0, 0, 0, 0, 0, 0, 0)]);

async function server(port = 0, incarnation = 1): Promise<FakeServer> {
  const made = await fakeServer({ GetStatus: () => statusOf(incarnation) }, port);
  stops.push(() => made.stop());
  return made;
}

/** Watches servers, and gives the next loss. */
function watch(...servers: FakeServer[]): { watch: TaskWatch; losses: TaskLoss[]; next: Promise<TaskLoss> } {
  const losses: TaskLoss[] = [];
  let told: (loss: TaskLoss) => void = () => {};
  const next = new Promise<TaskLoss>((resolve) => {
    told = resolve;
  });
  const made = watchTasks(
    { ps: [], workers: servers.map(({ address }) => address) },
    (loss) => {
      losses.push(loss);
      told(loss);
    },
    QUICK,
  );
  stops.push(() => made.stop());
  return { watch: made, losses, next };
}

const answered = async (...servers: FakeServer[]): Promise<void> => {
  while (servers.some(({ calls }) => calls.length < 2)) await new Promise((done) => setTimeout(done, 5));
};

describe('a watch', () => {
  test('sees a task go, names it, and aborts its signal with the error', async () => {
    const [one, two] = [await server(), await server()];
    const { watch: made, losses, next } = watch(one, two);
    await answered(one, two);
    expect(losses).toEqual([]);
    two.stop();
    const { reason, error, task } = await next;
    expect([reason, task]).toEqual(['unreachable', { job: 'worker', index: 1 }]);
    expect(error.code).toBe('PW_CLUSTER_TASK_LOST');
    expect(error.message).toContain(`worker 1 (${two.address}) is gone`);
    expect(error.hint).toContain('--resume');
    expect(made.signal.reason).toBe(error);
    expect(made.lost()).toEqual(losses);
  });

  test('sees a task fall silent', async () => {
    const one = await server();
    const { next } = watch(one);
    await answered(one);
    one.answers = { GetStatus: () => null };
    expect((await next).reason).toBe('silent');
  });

  test('sees that another server stands where one stood', async () => {
    const one = await server();
    const { next } = watch(one);
    await answered(one);
    one.answers = { GetStatus: () => statusOf(2) };
    expect((await next).reason).toBe('restarted');
  });

  test('sees a task that never was there', async () => {
    const one = await server();
    one.stop();
    expect((await watch(one).next).reason).toBe('unreachable');
  });

  test('does not take its own standing still for a silence', async () => {
    const one = await server();
    const { losses } = watch(one);
    await answered(one);
    const until = performance.now() + 3 * QUICK.timeoutMs;
    while (performance.now() < until);
    await new Promise((done) => setTimeout(done, 100));
    expect(losses).toEqual([]);
  });

  test('explains a call that failed by the task that is lost, and else not', async () => {
    const one = await server();
    const { watch: made, losses } = watch(one);
    await answered(one);
    const error = new Error('of a call');
    expect(await made.explain(error)).toBe(error);
    one.stop();
    expect(await made.explain(error)).toMatchObject({ code: 'PW_CLUSTER_TASK_LOST' });
    expect(losses).toHaveLength(1);
    expect(await made.explain(error)).toBe(losses[0]?.error);
  });

  test('says nothing once it was stopped', async () => {
    const one = await server();
    const { watch: made, losses } = watch(one);
    await answered(one);
    made.stop();
    one.stop();
    await new Promise((done) => setTimeout(done, 200));
    expect(losses).toEqual([]);
  });
});
