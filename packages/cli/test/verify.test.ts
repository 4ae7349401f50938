import { readFileSync, writeFileSync } from 'node:fs';
import { INVARIANTS } from '@placewright/ir';
import { beforeAll, describe, expect, it } from 'vitest';
import { json, placewright, temporaryFolder } from './support.js';

const at = temporaryFolder();
let lowered = '';

beforeAll(async () => {
  const file = at('lowered.pw');
  await placewright('compile', '--model', 'tiny', '--num-gpus', '2', '--out', file);
  lowered = readFileSync(file, 'utf8');
});

/** A file with a changed text. */
function written(change: (text: string) => string): string {
  const file = at('changed.pw');
  const text = change(lowered);
  expect(text).not.toBe(lowered);
  writeFileSync(file, text);
  return file;
}

const allNames = INVARIANTS.filter(({ from }) => from !== 'promised').map(({ name }) => name);

describe('a graph that does not say what holds', () => {
  const forget = (text: string): string => text.replace(/^established .*\n/m, '');
  /** The sum of two towers' values, taken without a transfer. */
  const misplace = (text: string): string =>
    text.replace(/^(%n\d+ = AddN\(.*)@\/device:GPU:0/m, '$1@/device:GPU:1');

  it('is checked against all invariants when it is lowered', async () => {
    const found = await json<{ valid: boolean; checked: string[] }>('verify', written(forget), '--json');
    expect(found).toMatchObject({ valid: true, checked: allNames });
    const { out } = await placewright('verify', written(forget));
    expect(out).toContain('all invariants hold');
    expect(out).toContain('transfers-explicit');
  });

  it('is found out, and told that it may be lowered in part only', async () => {
    const file = written((text) => forget(misplace(text)));
    const { code, err } = await placewright('verify', file);
    expect(code).toBe(1);
    expect(err).toContain('transfers-explicit: ');
    expect(err).toContain('--only established');
    expect((await placewright('verify', file, '--only', 'established')).code).toBe(0);
  });
});

describe('verify --only', () => {
  const broken = (): string => written((text) => text.replace(/@\/device:GPU:1 "/, '@/device:GPU:0 "'));

  it('checks what is named and what that needs, and says so', async () => {
    const { checked } = await json<{ checked: string[] }>(
      'verify',
      broken(),
      '--only',
      'unique-names',
      '--json',
    );
    expect(checked).toContain('unique-names');
    expect(checked.length).toBeLessThan(allNames.length / 2);
    expect((await placewright('verify', broken(), '--only', 'unique-names')).out).toContain('checked: ');
  });

  it('refuses a name that is none', async () => {
    const { code, err } = await placewright('verify', broken(), '--only', 'no-rase');
    expect(code).toBe(1);
    expect(err).toContain('PW_INVARIANT_UNKNOWN');
    expect(err).toContain('did you mean no-race?');
  });
});

describe('an op that is not declared', () => {
  const undeclared = (): string => written((text) => text.replaceAll('Conv2D(', 'Conv3D('));

  it('is noted, with the nearest that is', async () => {
    const { code, out, err } = await placewright('verify', undeclared());
    expect(code).toBe(0);
    expect(err).toMatch(/^note\[PW_OP_OPAQUE\]: .*placed and printed, not run/);
    expect(err).toMatch(/"Conv3D", \d+ nodes: did you mean Conv2D\?/);
    expect(out).toContain('invariants hold');
    const found = await json<{ valid: boolean; opaqueOps: object[] }>('verify', undeclared(), '--json');
    expect(found).toMatchObject({ valid: true, opaqueOps: [{ op: 'Conv3D', nearest: 'Conv2D' }] });
  });

  it('is an error with --strict', async () => {
    const { code, out, err } = await placewright('verify', undeclared(), '--strict');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^error\[PW_OP_OPAQUE\]: /);
    expect((await placewright('verify', at('lowered.pw'), '--strict')).code).toBe(0);
  });
});

describe('the files of several tasks', () => {
  const cluster = [
    '--ps-hosts',
    'a:1',
    '--worker-hosts',
    'b:1,c:1',
    '--job-name',
    'worker',
    '--num-gpus',
    '1',
  ];
  const files = [0, 1].map((task) => at(`worker${task}.pw`));

  beforeAll(async () => {
    for (const [task, file] of files.entries()) {
      const model = ['--model', 'tiny', '--variable-update', 'parameter_server'];
      await placewright('compile', ...model, ...cluster, '--task-index', String(task), '--out', file);
    }
  });

  /** The second worker, which updates one variable without waiting for the first one to have read. */
  function ungated(): string {
    const text = readFileSync(files[1] ?? '', 'utf8');
    const gate = /^%(n\d+) = NoOp\(.*"barrier\/gate_updates_"/m.exec(text)?.[1];
    const file = at('ungated.pw');
    writeFileSync(file, text.replace(new RegExp(`(ResourceApply.*), \\^%${gate}\\b`), '$1'));
    expect(readFileSync(file, 'utf8')).not.toBe(text);
    return file;
  }

  it('are linked and checked together', async () => {
    const { code, out } = await placewright('verify', ...files);
    expect(code).toBe(0);
    expect(out).toMatch(/worker0\.pw, .*worker1\.pw: \d+ nodes, all invariants hold/);
    expect(out).not.toContain('name the files of all of them');
    const found = await json<{ files: string[]; valid: boolean }>('verify', ...files, '--json');
    expect(found).toMatchObject({ files, valid: true });
  });

  it('say when one of them is alone', async () => {
    const { code, out } = await placewright('verify', files[0] ?? '');
    expect(code).toBe(0);
    expect(out).toContain('one of 2 tasks: name the files of all of them to check them together');
  });

  it('race where one does not wait, with what mends it and the schedule that leads there', async () => {
    const both = [files[0] ?? '', ungated()];
    expect((await placewright('verify', both[1] ?? '')).code).toBe(0);
    const { code, err } = await placewright('verify', ...both);
    expect(code).toBe(1);
    expect(err).toMatch(
      /no-race-across-tasks: the read by "worker_0\/.*" .* in the step of worker 0 and the update by/,
    );
    expect(err).toMatch(/do: add the control edge \^%n\d+ to "worker_1\/update/);
    expect(err).toMatch(/schedule: \d+ nodes \(…, .*\), then .* or .* may run first; all of it with --json/);
    const { out } = await placewright('verify', ...both, '--json');
    const [first] = JSON.parse(out).violations;
    expect(first.counterexample).toMatchObject({ steps: 3, next: [expect.any(String), expect.any(String)] });
  });

  it('must be one of each task', async () => {
    const { code, err } = await placewright('verify', files[0] ?? '', files[0] ?? '');
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('PW_LINK_TWICE') });
  });
});

describe('verify --cross-check', () => {
  it('compares the proofs with all schedules', async () => {
    const { code, out } = await placewright('verify', '--cross-check', '12', '--seed', '3');
    expect(code).toBe(0);
    expect(out).toMatch(/^12 clusters, all schedules of each: \d+ states/);
    expect(out).toMatch(/\n {2}\d+ faulty: \d+ hang, \d+ race, \d+ unfilled\n/);
    expect(out).toMatch(/\n0 missed, 0 false\n$/);
  });

  it('prints JSON', async () => {
    const found = await json<Record<string, unknown>>('verify', '--cross-check', '3', '--json');
    expect(found).toMatchObject({ seed: 1, clusters: 3, missed: 0, false: 0, unreplayed: 0, failures: [] });
  });

  it.each([
    [['--cross-check', '0'], 'PW_OPTION_VALUE'],
    [['--cross-check', '1e3'], 'PW_OPTION_VALUE'],
    [['--cross-check', '3', '--seed', '-1'], 'PW_OPTION_VALUE'],
    [['x.pw', '--cross-check', '3'], 'PW_OPTION_CONFLICT'],
  ])('refuses %j', async (args, code) => {
    const result = await placewright('verify', ...args);
    expect({ code: result.code, err: result.err }).toEqual({ code: 2, err: expect.stringContaining(code) });
  });
});
