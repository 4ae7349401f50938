import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Facts } from '@placewright/passes';
import { describe, expect, it } from 'vitest';
import { json, PLACEMENTS, placewright, temporaryFolder } from './support.js';

const at = temporaryFolder();
const golden = (name: string): string => join(PLACEMENTS, `${name}.json`);
const written = (name: string, text: string): string => {
  writeFileSync(at(name), text);
  return at(name);
};
const lines = (out: string): { case: string; error?: { code: string; message: string } }[] =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Each strategy where it is legal, and what changes its graph. */
const CASES = [
  ...['lenet_indep_n2', 'lenet_ps_cpu_n1', 'lenet_ps_gpu_n2_clip', 'lenet_ps_staged_gpu_n2_rmsprop'],
  ...['lenet_repl_nccl_n2_momentum', 'lenet_repl_copy_gpu_n4', 'resnet20_ps_staged_cpu_n2'],
  ...['lenet_dps_gpu_n2', 'lenet_dps_cpu_async_n2', 'resnet20_dps_staged_gpu_n2'],
  ...['lenet_drep_cpu_n2_momentum', 'lenet_drep_cpu_task1_n2', 'resnet20_drep_gpu_n2'],
];

/** Writes the lowered graph of a recorded case as text. */
async function compiled(name: string): Promise<string> {
  const file = at(`${name}.pw`);
  const { code, err } = await placewright('compile', '--options', golden(name), '--out', file);
  expect({ code, err: err.replace(/^warning.*\n( .*\n)*/gm, '') }).toEqual({ code: 0, err: '' });
  return file;
}

describe('facts', () => {
  it.each(CASES)('of the text that compile wrote are those of the options: %s', async (name) => {
    const file = await compiled(name);
    const asked = await placewright('facts', '--options', golden(name));
    const read = await placewright('facts', '--from', file);
    expect({ code: read.code, err: read.err }).toEqual({ code: 0, err: '' });
    expect(read.out).toBe(asked.out);
  });

  it('of a lowered graph as JSON are the same', async () => {
    const [text, document] = [at('one.pw'), at('one.json')];
    await placewright('compile', '--options', golden('lenet_drep_gpu_n2'), '--out', text, '--json', document);
    const { out, code } = await placewright('facts', '--from', text, document);
    expect(code).toBe(0);
    const [first, second] = out.trimEnd().split('\n');
    expect(second).toBe(first);
  });

  it('of flags are those of the same options in a file', async () => {
    const flags = [
      ...['--model', 'lenet', '--variable-update', 'parameter_server', '--staged-vars', '--num-gpus', '2'],
      ...['--ps-hosts', '127.0.0.1:50000,127.0.0.1:50001', '--local_parameter_device', 'cpu'],
      ...['--workerHosts', '127.0.0.1:50002,127.0.0.1:50003', '--job-name', 'worker', '--task-index', '0'],
      ...['--use-nccl', 'false', '--cross-replica-sync', 'true', '--optimizer', 'sgd', '--device', 'gpu'],
    ];
    const { case: _, ...expected } = await json<Facts & { case: string }>(
      'facts',
      '--options',
      golden('lenet_dps_staged_cpu_n2'),
    );
    expect(await json('facts', ...flags)).toEqual(expected);
  });

  it('of flags over a file are those of the flags where both say something', async () => {
    const file = golden('lenet_dps_cpu_n2');
    const three = await json<Facts>('facts', '--options', file, '--num-gpus', '3', '--task-index', '1');
    expect(Object.keys(three.trainableOnDevice)).toEqual(['0', '1', '2']);
    expect(three.apply[0]?.[0]?.gradientDevice).toBe('/job:worker/task:1/device:CPU:0');
    const one = await json<Facts>('facts', '--options', file, '--ps-hosts', 'a:1');
    expect(new Set(one.variables.map(({ device }) => device))).toEqual(
      new Set(['/job:ps/task:0/device:CPU:0']),
    );
  });

  it('of towers on CPUs name CPUs', async () => {
    const facts = await json<Facts>('facts', '--options', golden('lenet_ps_gpu_n2'), '--device', 'cpu');
    expect(new Set(facts.variables.map(({ device }) => device))).toEqual(
      new Set(['/device:CPU:0', '/device:CPU:1']),
    );
  });
});

describe('a changed device in a lowered text', () => {
  it.each([
    ['lenet_dps_gpu_n2', 'a variable', /^%r\d+ = variable float32.*@/m, 'variables'],
    ['lenet_dps_gpu_n2', 'a cached value', /^%n\d+ = Identity.*by=cache-reads/m, 'variables'],
    ['lenet_ps_staged_gpu_n2', 'what is staged', /^%n\d+ = Identity.*phase=staging/m, 'staging'],
    ['lenet_ps_staged_gpu_n2', 'what stages', /^%n\d+ = Stage\b.*phase=staging/m, 'staging'],
    ['lenet_ps_staged_gpu_n2', 'what unstages', /^%n\d+ = Unstage\b.*phase=staging/m, 'trainableOnDevice'],
    ['resnet20_ps_staged_gpu_n2', 'a staged change', /^%n\d+ = Stage\b.*phase=update/m, 'stagingDeltas'],
    ['lenet_dps_gpu_n2', 'a sum of gradients', /^%n\d+ = AddN.*phase=aggregate/m, 'nodeCounts'],
    ['lenet_dps_gpu_n2', 'a mean of gradients', /^%n\d+ = Mul.*phase=aggregate/m, 'apply'],
    ['lenet_repl_nccl_n2', 'an all-reduce', /^%n\d+ = NcclAllReduce/m, 'nodeCounts'],
    ['lenet_repl_nccl_n2', 'an update', /^%n\d+ = ResourceApply/m, 'nodeCounts'],
    ['lenet_repl_nccl_n2', 'a copy', /^%n\d+ = AssignVariableOp.*"tower_1\/post_init/m, 'postInit'],
    ['lenet_drep_cpu_n2', 'a queue', /^%r\d+ = queue.*"replicate_variable_0/m, 'syncQueues'],
    ['lenet_ps_gpu_n2', 'a decision', /^decision place-variables device .*home=leastElements/m, 'loads'],
  ] as const)('changes the facts: %s, %s', async (name, _what, pattern, field) => {
    const file = await compiled(name);
    const text = readFileSync(file, 'utf8');
    // The last one: of a balancer's decisions only that tells the loads.
    const line = text.split('\n').findLast((each) => pattern.test(each)) ?? '';
    expect(line).not.toBe('');
    // The first device of the line is its own, or the one that was chosen.
    const changed = line.replace(/device:(?:CPU|GPU):\d/, 'device:GPU:7');
    const before = await json<Record<string, unknown>>('facts', '--from', file);
    writeFileSync(file, text.replace(line, changed));
    const after = await json<Record<string, unknown>>('facts', '--from', file);
    expect(after[field]).not.toEqual(before[field]);
  });
});

describe('several files', () => {
  it('are told in their order, failing ones with their case, and the command ends with 1', async () => {
    const files = [
      golden('lenet_ps_cpu_n2'),
      written('bad.json', JSON.stringify({ case: 'bad model', options: { model: 'lenett' } })),
      written('none.json', '{'),
      at('missing.json'),
      written(
        'illegal.json',
        JSON.stringify({
          case: 7,
          options: { model: 'lenet', stagedVars: true, variableUpdate: 'replicated' },
        }),
      ),
      golden('trivial_ps_cpu_n2'),
    ];
    const { code, out, err } = await placewright('facts', '--options', ...files);
    expect(code).toBe(1);
    const told = lines(out);
    expect(told.map((line) => [line.case, line.error?.code])).toEqual([
      ['lenet_ps_cpu_n2', undefined],
      ['bad model', 'PW_MODEL_UNKNOWN'],
      ['none', 'PW_OPTIONS_JSON'],
      ['missing', 'PW_FILE_READ'],
      ['illegal', 'PW_STRATEGY_ILLEGAL'],
      ['trivial_ps_cpu_n2', undefined],
    ]);
    for (const line of told.filter(({ error }) => error !== undefined)) {
      expect(Object.keys(line)).toEqual(['case', 'error']);
      expect(Object.keys(line.error ?? {})).toEqual(['code', 'message']);
    }
    expect(err.match(/^error\[PW_/gm)).toHaveLength(4);
    expect(err).toContain('did you mean lenet?');
  });

  it('may be named by several flags', async () => {
    const argv = CASES.slice(0, 2).flatMap((name) => ['--options', golden(name)]);
    const { code, out } = await placewright('facts', ...argv);
    expect(code).toBe(0);
    expect(lines(out).map((line) => line.case)).toEqual(CASES.slice(0, 2));
  });

  it('are told in the same order and words by several threads', async () => {
    const files = Array.from({ length: 3 }, () => CASES.slice(0, 8).map(golden)).flat();
    const bad = written('worse.json', JSON.stringify({ case: 'worse', options: { model: 'x' } }));
    files.splice(5, 0, bad);
    // The built command: only that has threads.
    const command = join(import.meta.dirname, '../bin/placewright.js');
    const argv = [command, 'facts', '--json', '--options', ...files];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
    const here = await placewright('facts', '--json', '--options', ...files);
    expect(status).toBe(1);
    expect(stdout).toBe(here.out);
    expect(JSON.parse(stderr)).toEqual(JSON.parse(here.err));
  });
});

describe('what cannot be asked', () => {
  it.each([
    [2, 'PW_OPTION_MISSING', []],
    [2, 'PW_OPTION_CONFLICT', ['--from', 'x.pw', '--num-gpus', '2']],
    [2, 'PW_OPTION_CONFLICT', ['--from', 'x.pw', '--options', golden('lenet_ps_cpu_n2')]],
    [1, 'PW_FILE_READ', ['--from', '/nowhere/x.pw']],
    [1, 'PW_CLUSTER_TASK', ['--options', golden('lenet_dps_cpu_n2'), '--job-name', 'ps']],
  ])('ends with %i and %s: %j', async (code, error, argv) => {
    const { code: ended, err } = await placewright('facts', ...argv);
    expect(err).toContain(`error[${error}]: `);
    expect(err).toMatch(/\n {2}do: \S/);
    expect(ended).toBe(code);
  });

  it('is a line on the output where files are asked, and none where flags are', async () => {
    const flags = await placewright('facts', '--model', 'lenett');
    expect(flags).toMatchObject({ code: 1, out: '' });
    const text = written('text.pw', 'placewright 1\nmodule');
    const { out } = await placewright('facts', '--from', text);
    expect(lines(out)).toMatchObject([{ case: 'text', error: { code: expect.stringMatching(/^PW_PARSE/) } }]);
  });
});
