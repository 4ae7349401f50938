import { expect, it } from 'vitest';
import { compareDevices } from '../src/device.js';

it('orders devices by job, task, type and index, numbers as numbers', () => {
  const sorted = [
    '',
    '/device:CPU:0',
    ...[0, 1, 2, 9, 10, 11].map((i) => `/device:GPU:${i}`),
    '/job:ps/task:2/device:CPU:0',
    '/job:ps/task:10/device:CPU:0',
    '/job:worker/task:0/device:GPU:1',
    '/job:worker/task:1/device:CPU:0',
    'no device',
  ];
  const mixed = sorted.map((_, i) => sorted[(7 * i + 3) % sorted.length] ?? '');
  expect(new Set(mixed).size).toBe(sorted.length);
  expect(mixed.sort(compareDevices)).toEqual(sorted);
});
