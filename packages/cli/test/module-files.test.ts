import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import {
  buildModel,
  defineModel,
  encodeConstants,
  type Module,
  printModule,
  tensorValue,
} from '@placewright/ir';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkModuleWritable, readModule, writeModule } from '../src/module-files.js';
import { placewright, temporaryFolder } from './support.js';

/** Changes of files that are still let through; what comes after finds the process gone. */
const changes = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY }));

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const limited =
    <A extends unknown[], R>(change: (...args: A) => R) =>
    (...args: A): R => {
      changes.left -= 1;
      if (changes.left < 0) throw new Error('the process is gone');
      return change(...args);
    };
  return { ...fs, renameSync: limited(fs.renameSync), rmSync: limited(fs.rmSync) };
});

afterEach(() => {
  changes.left = Number.POSITIVE_INFINITY;
});

const twenty = (value: number) => ({
  ...tensorValue('float32', [20], new Float32Array(20).fill(value)),
  dtype: 'float32' as const,
});

/** A module with a large constant of each value. */
function moduleOf(...values: number[]): Module {
  return buildModel(
    defineModel({
      name: `with-${values.length}`,
      inputs: { x: { dtype: 'float32', shape: [20] } },
      build(b, { x }) {
        const weights = b.variable('weights', { shape: [20] });
        const scaled = values.reduce(
          (product, value) => b.mul(product, b.value(twenty(value))),
          b.mul(x, weights.value),
        );
        return { loss: b.mean(scaled) };
      },
    }),
  );
}

const text = (module: Module): string => printModule(module).text;
const at = temporaryFolder();
let path = '';
let count = 0;

beforeEach(() => {
  count += 1;
  mkdirSync(at(String(count)));
  path = at(`${count}/m.pw`);
});

describe('the constants beside a text', () => {
  it('are written, replaced and removed with it', () => {
    expect(writeModule(path, moduleOf(1, 2))).toEqual([path, `${path}.constants`]);
    expect(text(readModule(path))).toBe(text(moduleOf(1, 2)));
    writeModule(path, moduleOf(3));
    const { constants } = printModule(moduleOf(3));
    expect(readFileSync(`${path}.constants`)).toEqual(Buffer.from(encodeConstants(constants)));
    expect(writeModule(path, moduleOf())).toEqual([path]);
    expect(readdirSync(at(String(count)))).toEqual(['m.pw']);
  });

  it.each([
    [
      [1, 2],
      [2, 3],
    ],
    [[1], []],
    [[], [1]],
    [[1], [1]],
    [[1, 2], [1]],
  ])('are never those of another text, whenever the process ends: %j, then %j', (before, after) => {
    const outcomes = new Set<string>();
    let ended = false;
    for (let changed = 0; !ended; changed += 1) {
      writeModule(path, moduleOf(...before));
      changes.left = changed;
      try {
        writeModule(path, moduleOf(...after));
        ended = true;
      } catch {
        // gone
      }
      changes.left = Number.POSITIVE_INFINITY;
      outcomes.add(text(readModule(path)));
    }
    expect([...outcomes]).toEqual([...new Set([text(moduleOf(...before)), text(moduleOf(...after))])]);
  });

  it('are removed from where a link leads to, and the link stays', () => {
    symlinkSync(at(`${count}/elsewhere`), `${path}.constants`);
    writeModule(path, moduleOf(1));
    expect(text(readModule(path))).toBe(text(moduleOf(1)));
    writeModule(path, moduleOf());
    expect(readdirSync(at(String(count)))).toEqual(['m.pw', 'm.pw.constants']);
    expect(existsSync(at(`${count}/elsewhere`))).toBe(false);
  });

  it('replace damaged ones', () => {
    writeFileSync(`${path}.constants`, 'PWCONST1 and so on');
    writeModule(path, moduleOf(1));
    expect(text(readModule(path))).toBe(text(moduleOf(1)));
  });
});

describe('what stands in the place of the constants', () => {
  const compile = () => placewright('compile', '--model', 'tiny', '--out', path);

  it.each(['my notes', ''])(
    'is kept when it is not ours, and refused before anything is written: %j',
    async (mine) => {
      writeFileSync(`${path}.constants`, mine);
      const { code, err } = await compile();
      expect(code).toBe(1);
      expect(err).toContain('error[PW_FILE_WRITE]: a file that is no constants file stands where');
      expect(err).toContain(`at: ${path}.constants`);
      expect(err).toContain('do: move it away');
      expect(readFileSync(`${path}.constants`, 'utf8')).toBe(mine);
      expect(readdirSync(at(String(count)))).toEqual(['m.pw.constants']);
      expect(() => writeModule(path, moduleOf())).toThrow(expect.objectContaining({ code: 'PW_FILE_WRITE' }));
    },
  );

  it('may be no folder', async () => {
    mkdirSync(`${path}.constants`);
    const { code, err } = await compile();
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('a folder stands where') });
    expect(existsSync(path)).toBe(false);
  });

  it('is removed when it is ours and no longer of use', async () => {
    writeModule(path, moduleOf(1));
    expect((await compile()).code).toBe(0);
    expect(existsSync(`${path}.constants`)).toBe(false);
  });
});

it('writes to a device what needs no file beside it', () => {
  checkModuleWritable('/dev/null');
  expect(writeModule('/dev/null', moduleOf())).toEqual(['/dev/null']);
  expect(() => writeModule('/dev/null', moduleOf(1))).toThrow(
    expect.objectContaining({ code: 'PW_FILE_WRITE', hint: 'name a file' }),
  );
});
