import { expect, test } from 'vitest';
import { createRendezvous } from '../src/rendezvous.js';

test('all wait for the last, and for what is then done', async () => {
  const events: string[] = [];
  const meeting = createRendezvous<string>([0, 1, 2], async (values) => {
    await Promise.resolve();
    events.push([...values].sort().join(' '));
  });
  const arrive = (worker: number, value: string): Promise<void> =>
    meeting.arrive(worker, value).then(() => void events.push(`${worker} goes on`));
  const first = [arrive(2, 'c'), arrive(0, 'a')];
  await new Promise((resolve) => setImmediate(resolve));
  expect(events).toEqual([]);
  await Promise.all([...first, arrive(1, 'b')]);
  expect(events[0]).toBe('0,a 1,b 2,c');
  expect(events.slice(1).sort()).toEqual(['0 goes on', '1 goes on', '2 goes on']);
  await Promise.all([arrive(0, 'd'), arrive(1, 'e'), arrive(2, 'f')]);
  expect(events[4]).toBe('0,d 1,e 2,f');
});

test('nobody waits for one that has left, whose last value is known', async () => {
  const met: (readonly [number, string])[][] = [];
  const meeting = createRendezvous<string>([0, 1], async (values) => void met.push([...values].sort()));
  const waiting = meeting.arrive(0, 'a');
  meeting.leave(1, 'gone');
  await waiting;
  await meeting.arrive(0, 'b');
  meeting.leave(0, 'end');
  expect(met).toEqual([
    [
      [0, 'a'],
      [1, 'gone'],
    ],
    [
      [0, 'b'],
      [1, 'gone'],
    ],
  ]);
});

test('a failure is that of all', async () => {
  const meeting = createRendezvous<number>([0, 1], () => Promise.reject(new Error('full')));
  const [a, b] = await Promise.allSettled([meeting.arrive(0, 0), meeting.arrive(1, 1)]);
  for (const result of [a, b])
    expect(result).toMatchObject({ status: 'rejected', reason: { message: 'full' } });
});
