import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { scalar, type TensorValue, tensorOf, tensorValue } from '@placewright/ir';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readTensorFile, writeTensorFile } from '../../src/checkpoint/index.js';
import { temporaryFolder } from './cases.js';
import { faultOf, rawFile, resealed } from './support.js';

const at = temporaryFolder();

const SAMPLES: Readonly<Record<string, TensorValue>> = {
  'conv0/biases': tensorOf('float32', [3], [1.5, -0, Number.NaN]),
  bool: tensorOf('bool', [3], [1, 0, 1]),
  empty: tensorOf('float32', [0, 4], []),
  global_step: scalar('int64', 12),
  'of uint8': tensorOf('uint8', [2, 1], [0, 255]),
  wide: tensorOf('float64', [2], [Math.PI, -Number.MIN_VALUE]),
  int: tensorOf('int32', [], [-5]),
  half: tensorOf('float16', [8], [0, -0, 1, -65504, 2 ** -24, 1023 * 2 ** -24, Infinity, 0.333251953125]),
  brain: tensorOf('bfloat16', [4], [1, -3.140625, 2 ** -126, -Infinity]),
  '7': scalar('float32', 7),
  'an "ä\u2028\n"': scalar('float32', 8),
};
const TENSORS = new Map(Object.entries(SAMPLES));
TENSORS.set('__proto__', scalar('float32', 4));
const METADATA = new Map([
  ['a', 'b "c"'],
  ['__proto__', 'd'],
]);

async function written(name: string, tensors = TENSORS, metadata = METADATA): Promise<string> {
  const path = at(name);
  await writeTensorFile(path, { tensors, metadata });
  return path;
}

describe('a file of tensors', () => {
  test('gives back every type, to the bit', async () => {
    const path = await written('all');
    const file = await readTensorFile(path);
    expect([...file.tensors.keys()].sort()).toEqual([...TENSORS.keys()].sort());
    for (const [name, value] of TENSORS) {
      const read = file.tensors.get(name) as TensorValue;
      expect({ dtype: read.dtype, shape: read.shape }, name).toEqual({
        dtype: value.dtype,
        shape: value.shape,
      });
      expect(Buffer.from(read.data.buffer).equals(Buffer.from(value.data.buffer)), name).toBe(true);
    }
    expect(file.metadata).toEqual(METADATA);
    expect(file.bytes).toBe(readFileSync(path).length);
  });

  test('is the same for the same tensors in any order', async () => {
    const a = readFileSync(await written('order a'));
    const b = readFileSync(await written('order b', new Map([...TENSORS].reverse())));
    expect(a.equals(b)).toBe(true);
  });

  test('begins its elements at a multiple of 8, the widest first', async () => {
    const file = readFileSync(await written('aligned'));
    expect(Number(file.readBigUInt64LE()) % 8).toBe(0);
    const { entries } = await readTensorFile(at('aligned'));
    for (const { dtype, begin } of entries) {
      const width = {
        float64: 8,
        int64: 8,
        float32: 4,
        int32: 4,
        float16: 2,
        bfloat16: 2,
        uint8: 1,
        bool: 1,
      }[dtype];
      expect(begin % width).toBe(0);
    }
  });

  test('has the checksum of its own bytes, with zeros for the digits', async () => {
    const file = readFileSync(await written('sum'));
    expect(resealed(file).equals(file)).toBe(true);
  });

  test('holds nothing, and half-precision values that do not fill their array', async () => {
    expect((await readTensorFile(await written('none', new Map(), new Map()))).tensors.size).toBe(0);
    const part = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const path = await written('part', new Map([['x', tensorValue('float16', [2], part)]]));
    expect((await readTensorFile(path)).tensors.get('x')).toEqual(tensorOf('float16', [2], [1, 2]));
  });
});

describe('writing', () => {
  test('replaces a file whole, and leaves nothing beside it', async () => {
    mkdirSync(at('folder'));
    const path = await written('folder/a', new Map([['x', scalar('float32', 1)]]));
    await written('folder/a', new Map([['x', scalar('float32', 2)]]));
    expect((await readTensorFile(path)).tensors.get('x')).toEqual(scalar('float32', 2));
    expect(readdirSync(at('folder'))).toEqual(['a']);
  });

  test('that fails leaves what was there', async () => {
    const path = at('is a folder');
    mkdirSync(path);
    writeFileSync(`${path}/x`, '');
    expect(await faultOf(() => written('is a folder'))).toMatchObject({
      code: 'PW_CHECKPOINT_WRITE',
      where: { file: path },
    });
    expect(readdirSync(at('.')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect((await faultOf(() => written('no/such/folder'))).code).toBe('PW_CHECKPOINT_WRITE');
    const words = new Map([['x', { dtype: 'string', shape: [], data: new Uint8Array() } as TensorValue]]);
    expect((await faultOf(() => written('words', words))).code).toBe('PW_DTYPE_UNSUPPORTED');
    expect(existsSync(at('words'))).toBe(false);
  });
});

const F32 = (begin: number, end: number, shape: readonly number[] = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

/** Header and bytes after it, and the first thing that is wrong with them. */
const BAD: readonly [name: string, header: unknown, bytes: number, code: string, says: RegExp][] = [
  ['no object', [1], 0, 'FORMAT', /does not begin with \{/],
  ['no JSON', '{"a":', 0, 'FORMAT', /not JSON/],
  ['a text that is cut', '{"\xff', 0, 'FORMAT', /not JSON/],
  ['a tensor that is no object', { x: 3 }, 0, 'FORMAT', /tensor "x" is not an object/],
  ['metadata that is no object', { __metadata__: [] }, 0, 'FORMAT', /__metadata__ is not an object/],
  ['metadata that is no text', { __metadata__: { a: 1 } }, 0, 'FORMAT', /has a "a" that is not a string/],
  ['an unknown dtype', { x: { dtype: 'F8_E4M3', shape: [], data_offsets: [0, 1] } }, 1, 'FORMAT', /F8_E4M3/],
  ['no dtype', { x: { shape: [], data_offsets: [0, 4] } }, 4, 'FORMAT', /the dtype "undefined"/],
  ['a negative dimension', { x: F32(0, 4, [-1]) }, 4, 'FORMAT', /malformed shape/],
  ['half a dimension', { x: F32(0, 4, [1.5]) }, 4, 'FORMAT', /malformed shape/],
  ['a rank of hundreds', { x: F32(0, 4, new Array(100).fill(1)) }, 4, 'FORMAT', /malformed shape/],
  ['a huge count', { x: F32(0, 4, [2 ** 50, 2 ** 50]) }, 4, 'FORMAT', /would have 1\.\d+e\+30 elements/],
  [
    'a count beyond all numbers',
    { x: F32(0, 4, new Array(64).fill(2 ** 52)) },
    4,
    'FORMAT',
    /would have Infinity/,
  ],
  [
    'a shape that lies',
    { x: F32(0, 4, [2]) },
    8,
    'FORMAT',
    /float32\[2\], 8 bytes, and has the bytes 0 to 4/,
  ],
  ['places that go backwards', { x: F32(4, 0, [1]) }, 4, 'FORMAT', /bytes 4 to 0/],
  ['no places', { x: { dtype: 'F32', shape: [] } }, 4, 'FORMAT', /malformed data_offsets/],
  [
    'three places',
    { x: { dtype: 'F32', shape: [], data_offsets: [0, 4, 8] } },
    4,
    'FORMAT',
    /malformed data_off/,
  ],
  ['a negative place', { x: F32(-4, 0) }, 4, 'FORMAT', /malformed data_offsets/],
  ['an overlap', { x: F32(0, 8), y: F32(4, 12) }, 12, 'FORMAT', /tensor "y" overlaps the one before it/],
  ['two of one place', { x: F32(0, 8), y: F32(0, 8) }, 8, 'FORMAT', /tensor "y" overlaps/],
  ['a gap', { x: F32(0, 4), y: F32(8, 12) }, 12, 'FORMAT', /4 bytes before tensor "y" belong to none/],
  ['a gap at the start', { x: F32(4, 8) }, 8, 'FORMAT', /4 bytes before tensor "x"/],
  ['bytes at the end', { x: F32(0, 4) }, 8, 'FORMAT', /4 bytes follow its last tensor/],
  ['a place beyond the file', { x: F32(0, 400) }, 8, 'TRUNCATED', /ends 392 bytes early, within tensor "x"/],
  ['terabytes', { x: F32(0, 2 ** 32, [2 ** 30]) }, 8, 'TRUNCATED', /ends \d+ bytes early/],
  ['no checksum', { x: F32(0, 4) }, 4, 'FOREIGN', /no placewright\.checksum/],
  [
    'an odd checksum',
    { __metadata__: { 'placewright.checksum': 'md5:1' } },
    0,
    'FORMAT',
    /its checksum is "md5:1"/,
  ],
];

describe('a file that is', () => {
  test.each(BAD)('with %s is refused', async (name, header, bytes, code, says) => {
    const path = at(`bad ${name.replaceAll('/', ' ')}`);
    writeFileSync(path, rawFile(header, new Uint8Array(bytes)));
    const fault = await faultOf(() => readTensorFile(path));
    expect(fault).toMatchObject({ code: `PW_CHECKPOINT_${code}`, where: { file: path } });
    expect(fault.message).toMatch(says);
    expect(fault.hint).not.toBe('');
  });

  test.each([
    ['empty', '', 'TRUNCATED', /ends after 0 bytes/],
    ['shorter than a length', '1234567', 'TRUNCATED', /ends after 7 bytes/],
    [
      'shorter than its header',
      '\x10\0\0\0\0\0\0\0{}',
      'TRUNCATED',
      /within its header, after 10 of 24 bytes/,
    ],
    [
      'said to have an endless header',
      '\xff\xff\xff\xff\xff\xff\xff\xff{}',
      'FORMAT',
      /18446744073709551615 bytes long/,
    ],
    ['a text', 'once upon a time there was', 'FORMAT', /bytes long/],
    ['not UTF-8 in its header', '\x02\0\0\0\0\0\0\0{\xff', 'FORMAT', /not UTF-8/],
    ['nothing but a header of spaces', '\x02\0\0\0\0\0\0\0  ', 'FORMAT', /does not begin with/],
  ])('%s is refused', async (_, text, code, says) => {
    writeFileSync(at('raw'), text, 'latin1');
    const fault = await faultOf(() => readTensorFile(at('raw')));
    expect(fault.code).toBe(`PW_CHECKPOINT_${code}`);
    expect(fault.message).toMatch(says);
  });

  test('no file is refused', async () => {
    symlinkSync(at('nowhere'), at('link'));
    for (const [path, why] of [
      [at('missing'), /no such file/],
      [at('.'), /it is a folder/],
      [at('link'), /no such file/],
      ['/dev/null', /it is no file/],
    ] as const) {
      const fault = await faultOf(() => readTensorFile(path));
      expect(fault.code).toBe('PW_CHECKPOINT_READ');
      expect(fault.message).toMatch(why);
    }
  });

  test('cut off at any byte is refused', async () => {
    const whole = readFileSync(await written('whole'));
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(at('cut'), whole);
      truncateSync(at('cut'), length);
      const fault = await faultOf(() => readTensorFile(at('cut')));
      expect(fault.code, `of ${length} bytes`).toBe('PW_CHECKPOINT_TRUNCATED');
    }
  });
});

// Any change of any byte is noticed, and nothing that is read can do harm.

const whole = async (): Promise<Buffer> => readFileSync(await written('property'));

async function readBytes(bytes: Uint8Array): Promise<unknown> {
  writeFileSync(at('mutant'), bytes);
  return readTensorFile(at('mutant'));
}

describe('mutated bytes', () => {
  const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 1, max: 255 }) });

  test('are refused with an error of ours', async () => {
    const original = await whole();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(original);
        for (const { at: place, byte } of changes) {
          const i = place % bytes.length;
          bytes[i] = (bytes[i] ?? 0) ^ byte;
        }
        fc.pre(!bytes.equals(original));
        expect((await faultOf(() => readBytes(bytes))).code).toMatch(/^PW_CHECKPOINT_/);
      }),
      { numRuns: 400, seed: 1 },
    );
  });

  test('are refused when parts are taken out, doubled or put elsewhere', async () => {
    const original = await whole();
    const span = fc.tuple(fc.nat(original.length), fc.nat(original.length), fc.nat(original.length));
    await fc.assert(
      fc.asyncProperty(span, async ([a, b, c]) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const bytes = Buffer.concat([
          original.subarray(0, c),
          original.subarray(from, to),
          original.subarray(c),
        ]);
        const shorter = Buffer.concat([original.subarray(0, from), original.subarray(to)]);
        for (const mutant of [bytes, shorter]) {
          if (mutant.equals(original)) continue;
          expect((await faultOf(() => readBytes(mutant))).code).toMatch(/^PW_CHECKPOINT_/);
        }
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  // One who changes a file and gives it the right checksum gets the same checks of everything else.
  test('with the right checksum are read as they are or refused', async () => {
    const original = await whole();
    const header = Number(original.readBigUInt64LE());
    let read = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 2 }), async (changes) => {
        const bytes = Buffer.from(original);
        for (const { at: place, byte } of changes) bytes[8 + (place % header)] = byte;
        const sealed = resealed(bytes);
        try {
          await readBytes(sealed);
          read += 1;
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^PW_CHECKPOINT_/) });
        }
      }),
      { numRuns: 400, seed: 3 },
    );
    expect(read).toBeGreaterThan(10);
  });
});
