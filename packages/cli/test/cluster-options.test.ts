import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterDevices, isLocal, type PlacewrightError } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { parseCase, readCase } from '../src/options/case-file.js';
import { clusterSettings } from '../src/options/cluster.js';
import { parseFlags, readOptions } from '../src/options/command-line.js';
import { modelSettings } from '../src/options/settings.js';
import { PLACEMENTS, placewright, RECORDED, temporaryFolder } from './support.js';

const at = temporaryFolder();
const refusal = (body: () => unknown): Pick<PlacewrightError, 'code' | 'message' | 'hint'> => {
  try {
    body();
  } catch (error) {
    return error as PlacewrightError;
  }
  return { code: 'none', message: '', hint: '' };
};
const TWO = { psHosts: ['a:1', 'b:2'], workerHosts: ['c:1', 'd:2'] };

describe('a cluster', () => {
  it('is of the hosts that flags name, with commas', () => {
    const values = parseFlags({ psHosts: 'a:1,b:2', workerHosts: ' c:1 , d:2 ', numGpus: '2' });
    const { cluster, task } = clusterSettings(values);
    expect(cluster.jobs.map(({ name, tasks }) => [name, tasks.map(({ address }) => address)])).toEqual([
      ['ps', ['a:1', 'b:2']],
      ['worker', ['c:1', 'd:2']],
    ]);
    expect(clusterDevices(cluster).slice(2, 5)).toEqual([
      '/job:worker/task:0/device:CPU:0',
      '/job:worker/task:0/device:GPU:0',
      '/job:worker/task:0/device:GPU:1',
    ]);
    expect(task).toBeNull();
  });

  it.each([
    ['{"ps_hosts": ["a:1"], "worker_hosts": ["[::1]:80", "c-1.example:65535"]}'],
    ['{"psHosts": "a:1", "workerHosts": "[::1]:80,c-1.example:65535"}'],
    ['{"options": {"psHosts": "a:1", "workerHosts": "[::1]:80,c-1.example:65535"}, "case": "x"}'],
  ])('may be a list or a text in an options file: %s', (text) => {
    expect(parseCase(text)).toEqual({
      psHosts: ['a:1'],
      workerHosts: ['[::1]:80', 'c-1.example:65535'],
    });
  });

  it.each([
    ['{"options": {"model": "tiny"}, "num_ps": 2, "num_workers": 3}'],
    ['{"model": "tiny", "numPs": 2, "numWorkers": 3}'],
  ])('may be a number of tasks, with made-up hosts: %s', (text) => {
    const { cluster } = clusterSettings(parseCase(text));
    expect(cluster.jobs.map(({ tasks }) => tasks.length)).toEqual([2, 3]);
    const addresses = cluster.jobs.flatMap(({ tasks }) => tasks.map(({ address }) => address));
    expect(new Set(addresses).size).toBe(5);
  });

  it('is read from every recorded run in one', () => {
    const files = [
      join(RECORDED, 'tiny_dist_ps_p2_w1_n2.json'),
      join(PLACEMENTS, 'lenet_drep_cpu_task1_n2.json'),
    ];
    const [counted, named] = files.map((file) => modelSettings(readCase(file), true));
    expect(counted).toMatchObject({ task: null, numGpus: 2 });
    expect(counted?.cluster.jobs.map(({ tasks }) => tasks.length)).toEqual([2, 1]);
    expect(named?.task).toEqual({ job: 'worker', index: 1 });
  });

  it('gives way to the one that flags name', () => {
    const file = at('cluster.json');
    writeFileSync(file, '{"num_ps": 2, "num_workers": 2, "model": "tiny"}');
    expect(readOptions({ options: file, psHosts: 'a:1' })).toEqual({
      ...{ psHosts: ['a:1'], numWorkers: 2, model: 'tiny' },
    });
  });

  it('is none where nothing is said, as tf_cnn_benchmarks says it', () => {
    const values = [
      parseCase(
        '{"job_name": "", "ps_hosts": "", "worker_hosts": [], "controllerHost": "", "task_index": 0}',
      ),
      parseFlags({ jobName: '', psHosts: '', workerHosts: '', taskIndex: '0' }),
    ];
    for (const value of values) {
      const { cluster, task } = clusterSettings(value);
      expect([isLocal(cluster), task]).toEqual([true, null]);
    }
  });
});

describe('the task', () => {
  it.each([
    [{}, null],
    [{ taskIndex: 1 }, { job: 'worker', index: 1 }],
    [{ jobName: 'worker' }, { job: 'worker', index: 0 }],
    [
      { jobName: 'worker', taskIndex: 1 },
      { job: 'worker', index: 1 },
    ],
  ] as const)('that %j asks for is %j', (given, task) => {
    expect(clusterSettings({ ...TWO, ...given }).task).toEqual(task);
  });

  it.each([
    [{ ...TWO, jobName: 'ps' }, 'parameter servers run no graph', '--job-name worker --task-index 0 to 1'],
    [{ ...TWO, jobName: 'ps', taskIndex: 9 }, 'parameter servers run no graph', '--task-index 0 to 1'],
    [{ ...TWO, taskIndex: 2 }, 'no worker 2 among 2', '--task-index 0 to 1'],
    [{ psHosts: ['a:1'], workerHosts: ['b:1'], taskIndex: 1 }, 'no worker 1 among 1', '--task-index 0'],
    [{ jobName: 'worker' }, '--job-name worker is a task of a cluster', '--ps-hosts and --worker-hosts'],
    [{ taskIndex: 1 }, '--task-index 1 is a task of a cluster', '--ps-hosts and --worker-hosts'],
  ] as const)('is refused: %j', (given, message, hint) => {
    const error = refusal(() => clusterSettings(given));
    expect(error.code).toBe('PW_CLUSTER_TASK');
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });
});

describe('hosts', () => {
  it.each([
    ['PW_CLUSTER_HOSTS', 'a'],
    ['PW_CLUSTER_HOSTS', 'a:'],
    ['PW_CLUSTER_HOSTS', ':1'],
    ['PW_CLUSTER_HOSTS', 'a:0'],
    ['PW_CLUSTER_HOSTS', 'a:65536'],
    ['PW_CLUSTER_HOSTS', 'a:1.5'],
    ['PW_CLUSTER_HOSTS', 'a:-1'],
    ['PW_CLUSTER_HOSTS', 'a:99999999999'],
    ['PW_CLUSTER_HOSTS', 'a:1,,b:1'],
    ['PW_CLUSTER_HOSTS', 'a:1,'],
    ['PW_CLUSTER_HOSTS', 'a:1,b:1,a:1'],
    ['PW_CLUSTER_HOSTS', 'a b:1'],
    ['PW_CLUSTER_HOSTS', 'http://a:1'],
    ['PW_CLUSTER_HOSTS', '::1:80'],
    ['PW_CLUSTER_HOSTS', '\u001b[31m:1'],
    ['PW_CLUSTER_HOSTS', '../a:1'],
    ['PW_CLUSTER_HOSTS', `${'a'.repeat(300)}:1`],
    ['PW_CLUSTER_HOSTS', ['a:1', 2]],
    ['PW_CLUSTER_HOSTS', ['a:1', ['b:1']]],
    ['PW_CLUSTER_HOSTS', [null]],
    ['PW_OPTION_VALUE', { 0: 'a:1' }],
    ['PW_OPTION_VALUE', 3],
  ])('are refused with %s: %j', (code, hosts) => {
    const error = refusal(() => parseCase(JSON.stringify({ ps_hosts: hosts })));
    expect(error.code).toBe(code);
    expect(error.hint).toContain('host');
    expect(error.message.length).toBeLessThan(200);
  });

  it.each([
    ['PW_CLUSTER_HOSTS', { psHosts: ['a:1'] }],
    ['PW_CLUSTER_HOSTS', { workerHosts: ['a:1'] }],
    ['PW_CLUSTER_HOSTS', { numWorkers: 2 }],
    ['PW_CLUSTER_HOSTS', { psHosts: ['a:1'], workerHosts: ['b:1', 'a:1'] }],
    ['PW_OPTION_CONFLICT', { psHosts: ['a:1'], numPs: 2, numWorkers: 1 }],
    ['PW_CLUSTER_SIZE', { ...TWO, numGpus: 5000 }],
  ])('are refused together with %s: %j', (code, given) => {
    const error = refusal(() => clusterSettings(given));
    expect(error.code).toBe(code);
    expect(error.hint).not.toBe('');
  });

  it('in thousands are refused, and as many as there may be are quick', () => {
    const hosts = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}:1`);
    const many = { psHosts: hosts('a', 1024), workerHosts: hosts('b', 5000) };
    expect(refusal(() => clusterSettings(many)).code).toBe('PW_CLUSTER_SIZE');
    const started = performance.now();
    const { cluster } = clusterSettings({ ...many, workerHosts: hosts('b', 1024) });
    expect(clusterDevices(cluster)).toHaveLength(3 * 1024);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('commands', () => {
  const cluster = ['--ps-hosts', 'a:1', '--worker-hosts', 'b:1,c:1'];

  it('compile compiles for one worker, the first where none is named', async () => {
    for (const [flags, index] of [
      [[], 0],
      [['--task-index', '1'], 1],
    ] as const) {
      const file = at(`task${index}.pw`);
      const { code } = await placewright('compile', '--model', 'tiny', ...cluster, ...flags, '--out', file);
      expect(code).toBe(0);
      expect((await placewright('verify', file)).code).toBe(0);
    }
    const { code, err } = await placewright('compile', '--model', 'tiny', ...cluster, '--job-name', 'ps');
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error\[PW_CLUSTER_TASK\]: parameter servers run no graph.*\n {2}do: .*--task-index 0 to 1\n/,
    );
  });
});
