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
