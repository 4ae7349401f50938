import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  checkNetwork,
  clusterFromEnv,
  clusterTasks,
  formatCluster,
  isLoopback,
  networkWarning,
  parseCluster,
  readClusterFile,
} from '../src/addresses.js';

const folder = mkdtempSync(join(tmpdir(), 'placewright-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const codeOf = (text: string): string => {
  try {
    parseCluster(text);
    return 'read';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

const CLUSTER = { ps: ['127.0.0.1:1000'], workers: ['127.0.0.1:1001', '[::1]:1002'], devices: 2 };

describe('the file of a cluster', () => {
  test('is read as it was written', async () => {
    const file = join(folder, 'cluster.json');
    writeFileSync(file, formatCluster(CLUSTER));
    expect(await readClusterFile(file)).toEqual({ addresses: CLUSTER });
    expect(clusterTasks(CLUSTER)).toEqual([
      { task: { job: 'ps', index: 0 }, address: '127.0.0.1:1000' },
      { task: { job: 'worker', index: 0 }, address: '127.0.0.1:1001' },
      { task: { job: 'worker', index: 1 }, address: '[::1]:1002' },
    ]);
  });

  test('may have the form of TF_CONFIG, with the task that its reader is', () => {
    const TF_CONFIG = JSON.stringify({
      cluster: { worker: ['a:1', 'b:1'], ps: ['c:1'], evaluator: ['d:1'] },
      task: { type: 'worker', index: 1 },
    });
    expect(clusterFromEnv({ TF_CONFIG })).toEqual({
      addresses: { ps: ['c:1'], workers: ['a:1', 'b:1'] },
      task: { job: 'worker', index: 1 },
    });
    expect(clusterFromEnv({})).toBeUndefined();
  });

  test('says where it is when it cannot be read', async () => {
    const missing = join(folder, 'missing.json');
    await expect(readClusterFile(missing)).rejects.toMatchObject({
      code: 'PW_CLUSTER_FILE',
      where: { file: missing },
    });
  });

  test.each([
    ['no JSON', '{', 'PW_CLUSTER_FILE'],
    ['a list', '[]', 'PW_CLUSTER_FILE'],
    ['nothing', 'null', 'PW_CLUSTER_FILE'],
    ['no workers', '{"ps": ["a:1"]}', 'PW_CLUSTER_FILE'],
    ['an unknown key', '{"workers": ["a:1"], "worker": ["b:1"]}', 'PW_CLUSTER_FILE'],
    ['a key that objects have', '{"workers": ["a:1"], "__proto__": ["b:1"]}', 'PW_CLUSTER_FILE'],
    ['workers that are no list', '{"workers": "a:1"}', 'PW_CLUSTER_FILE'],
    ['workers that are no texts', '{"workers": [1]}', 'PW_CLUSTER_FILE'],
    ['a chief', '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}}', 'PW_CLUSTER_FILE'],
    [
      'a task that is not there',
      '{"cluster": {"worker": ["b:1"]}, "task": {"type": "worker", "index": 1}}',
      'PW_CLUSTER_FILE',
    ],
    ['a host without a port', '{"workers": ["a"]}', 'PW_CLUSTER_HOSTS'],
    ['a port that there is not', '{"workers": ["a:70000"]}', 'PW_CLUSTER_HOSTS'],
    ['an address with a scheme', '{"workers": ["unix:/a:1"]}', 'PW_CLUSTER_HOSTS'],
    ['an address twice', '{"ps": ["a:1"], "workers": ["a:1"]}', 'PW_CLUSTER_HOSTS'],
    [
      'too many tasks',
      JSON.stringify({ workers: Array.from({ length: 1025 }, (_, i) => `a:${i + 1}`) }),
      'PW_CLUSTER_SIZE',
    ],
    ['devices that are none', '{"workers": ["a:1"], "devices": 0}', 'PW_CLUSTER_SIZE'],
  ])('is refused with %s', (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });
});

describe('addresses', () => {
  test.each([
    ['127.0.0.1:1', true],
    ['127.9.9.9:1', true],
    ['localhost:1', true],
    ['[::1]:1', true],
    ['0.0.0.0:1', false],
    ['10.0.0.1:1', false],
    ['127.0.0.1.example.org:1', false],
    ['localhost.example.org:1', false],
    ['[::]:1', false],
    ['nothing', false],
  ])('%s is loopback: %s', (address, loopback) => {
    expect(isLoopback(address)).toBe(loopback);
  });

  test('of others are refused unless that is allowed, and it is said what that means', () => {
    expect(() => checkNetwork(['127.0.0.1:1', '10.0.0.1:1'], false)).toThrow(
      expect.objectContaining({ code: 'PW_CLUSTER_NETWORK' }),
    );
    checkNetwork(['10.0.0.1:1'], true);
    expect(networkWarning(['127.0.0.1:1', '10.0.0.1:1'])).toMatch(
      /no authentication and no encryption.*10\.0\.0\.1:1/,
    );
  });
});
