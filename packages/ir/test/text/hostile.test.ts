import { describe, expect, it } from 'vitest';
import { formatError, PlacewrightError } from '../../src/errors.js';
import { MAX_STRING, placeOf } from '../../src/text/cursor.js';
import { parseModule } from '../../src/text/parse.js';
import { printModule } from '../../src/text/print.js';
import { rich } from '../support/modules.js';
import { ops } from '../support/ops.js';

/** What reading a text throws; fails when it throws nothing, or anything else than an error for people. */
function fault(text: string): PlacewrightError {
  try {
    parseModule(text, { registry: ops, file: 'model.pw' });
  } catch (error) {
    if (!(error instanceof PlacewrightError)) throw error;
    // Whatever is wrong, an error says what to do, and where just once.
    expect(error.hint, error.message).not.toBe('');
    expect(error.message).not.toMatch(/^line \d/);
    return error;
  }
  throw new Error('the text was read without an error');
}

const whole = (...lines: string[]): string => ['placewright 1', 'module m', ...lines, 'end'].join('\n');

const noOp = '%n0 = NoOp() "a"';
const two = '%n1 = Const() {value=float32[2](1.0, 2.0)} -> float32[2] "c"';

describe('errors of the text form', () => {
  it('tell line, column, the lines around and what to do', () => {
    const error = fault(whole(noOp, '%n1 = NoOp() "b" phase=backwards', '%n2 = NoOp() "c"'));
    expect(error.code).toBe('PW_PARSE');
    expect(error.kind).toBe('user');
    expect(formatError(error)).toBe(
      [
        'error[PW_PARSE]: "backwards" is no phase',
        '  at: model.pw:4:24',
        '  | 2: module m',
        '  | 3: %n0 = NoOp() "a"',
        '  | 4: %n1 = NoOp() "b" phase=backwards',
        '  |                           ^',
        '  | 5: %n2 = NoOp() "c"',
        '  | 6: end',
        '  do: did you mean backward?',
      ].join('\n'),
    );
  });

  it('show a long line around the column only, and no control characters', () => {
    const error = fault(whole(noOp, `%n1 = NoOp() "${'x'.repeat(5000)}" \u001b[31m`));
    const excerpt = error.where.excerpt ?? [];
    expect(excerpt.every((line) => line.length < 120)).toBe(true);
    const line = excerpt.find((text) => text.startsWith('4: ')) ?? '';
    const caret = excerpt[excerpt.indexOf(line) + 1]?.indexOf('^') ?? -1;
    expect(line[caret]).toBe('·');
  });

  it('place the first and the last offset', () => {
    expect(placeOf('', 0)).toMatchObject({ line: 1, column: 1 });
    expect(placeOf('a\nb', 3)).toMatchObject({ line: 2, column: 2 });
    expect(placeOf('a\n\nb', 2)).toMatchObject({ line: 2, column: 1 });
  });

  const cases: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ['no text', '', /not the text form/],
    ['another file', '<svg></svg>', /not the text form/],
    ['another version', 'placewright 2\n', /version 2/],
    ['no module line', 'placewright 1\nend', /the line module/],
    ['two module lines', whole('module again'), /module is there twice/],
    ['no end', 'placewright 1\nmodule m\n', /stops before its "end"/],
    ['text after the end', `${whole()}\n${noOp}`, /goes on after/],
    ['an id twice', whole(noOp, noOp), /%n0 is defined twice/],
    ['a name twice', whole(noOp, '%n1 = NoOp() "a"'), /both called "a"/],
    [
      'a shown name twice',
      whole('%n0 = NoOp() "tower_0/a"', '%n1 = NoOp() "tower_0/a" replica=0'),
      /both called/,
    ],
    ['a name outside of its tower', whole('%n0 = NoOp() "a" replica=0'), /does not begin with "tower_0\/"/],
    [
      'a resource name twice',
      whole('%r0 = barrier parties=1 "b"', '%r1 = barrier parties=2 "b"'),
      /the same barrier: "b"/,
    ],
    ['a bad id', whole('%n01 = NoOp() "a"'), /%n01 is not an id/],
    ['an id of another kind', whole('%q1 = NoOp() "a"'), /%q1 is not an id/],
    ['a hostile id', whole('%__proto__ = NoOp() "a"'), /not an id/],
    ['an id above next', 'placewright 1\nmodule m next=0\n%n0 = NoOp() "a"\nend', /not below next=0/],
    ['a node as resource', whole(noOp, '%n1 = NoOp[%n0]() "b"'), /a resource must stand here/],
    [
      'a resource as input',
      whole('%r0 = barrier parties=1 "b"', '%n1 = NoOp(%r0) "b"'),
      /a node must stand here/,
    ],
    ['an unknown field', whole('%n0 = NoOp() "a" colour=red'), /no field "colour"/],
    ['a field of Object', whole('%n0 = NoOp() "a" constructor=red'), /no field "constructor"/],
    ['a field twice', whole('%n0 = NoOp() "a" group=x group=y'), /group is given twice/],
    ['an attribute twice', whole('%n0 = NoOp() {a=1, a=2} "a"'), /"a" is given twice/],
    ['an unknown line', whole('toString'), /"toString" is no kind of line/],
    ['an unknown entry', whole('entry __proto__'), /no entry/],
    ['an entry twice', whole('entry step', 'entry step'), /there twice/],
    ['a round outside of an entry', whole('round'), /below an entry/],
    ['a target outside of a round', whole(noOp, 'entry step', 'run %n0'), /below their round/],
    ['a device outside of a cluster', whole('device GPU 0'), /below cluster/],
    ['a device outside of a task', whole('cluster', 'device GPU 0'), /below its task/],
    ['a link without speed', whole('cluster', 'link "a" "b" latency=1.0'), /lacks its bandwidth/],
    ['a dangling input', whole('%n0 = Identity(%n7) -> float32[2] "a"'), /takes %n7:0 as input 0/],
    ['a dangling port', whole(two, '%n2 = Identity(%n1:1) -> float32[2] "a"'), /takes %n1:1/],
    ['a dangling control', whole('%n0 = NoOp(^%n7) "a"'), /waits for %n7/],
    ['a dangling resource', whole('%n0 = NoOp[%r7]() "a"'), /resource %r7/],
    ['a dangling fetch', whole('entry step', 'fetch "x" %n1'), /fetch "x" is %n1:0/],
    ['a dangling target', whole('entry step', 'round', 'run %n1'), /a target is %n1/],
    ['a dangling role', whole('role globalStep %n1'), /role globalStep: %n1/],
    ['a dangling slot', whole('%r0 = variable float32[] "a" slotOf=%r9'), /slot of %r9/],
    ['a cycle', whole('%n0 = NoOp(^%n1) "a"', '%n1 = NoOp(^%n0) "b"'), /cycle: /],
    ['a loop', whole('%n0 = Identity(%n0) -> float32[2] "a"'), /cycle: a → a/],
    ['an absurd dimension', whole('%n0 = Custom() -> float32[99999999999] "a"'), /a dimension cannot be/],
    ['too many elements', whole('%n0 = Custom() -> float32[65536, 65536] "a"'), /4294967296 elements/],
    ['a negative dimension', whole('%n0 = Custom() -> float32[-1] "a"'), /a dimension cannot be -1/],
    ['a shape of absurd rank', whole(`%n0 = Custom() -> float32[${'1,'.repeat(300)}1] "a"`), /rank 301/],
    ['an absurd port', whole(two, '%n2 = Identity(%n1:99999999) -> float32[2] "a"'), /a port cannot be/],
    ['an absurd integer', whole('%n0 = NoOp() {a=9007199254740993} "a"'), /an integer cannot be/],
    ['an absurd float', whole('%n0 = NoOp() {a=1e999} "a"'), /a float64 ends/],
    ['a list of two kinds', whole('%n0 = NoOp() {a=[1, 2.5]} "a"'), /an integer cannot be 2.5/],
    ['an empty list', whole('%n0 = NoOp() {a=[]} "a"'), /empty list/],
    ['an absurd number of towers', 'placewright 1\nmodule m towers=1000000\nend', /number of towers/],
    ['an element too many', whole('%n0 = NoOp() {a=float32[1](1.0, 2.0)} "a"'), /needs 1 elements and got 2/],
    [
      'an element out of range',
      whole('%n0 = NoOp() {a=uint8[1](256)} "a"'),
      /element of uint8 cannot be 256/,
    ],
    ['a long out of range', whole('%n0 = NoOp() {a=int64[](9223372036854775808)} "a"'), /of int64 cannot/],
    ['a constant of unknown shape', whole('%n0 = NoOp() {a=float32[?](1.0)} "a"'), /no unknown dimension/],
    ['a constant of strings', whole('%n0 = NoOp() {a=string[1](1)} "a"'), /string tensors/],
    ['a string without end', whole('%n0 = NoOp() "a'), /does not end on its line/],
    ['a bad escape', whole('%n0 = NoOp() "\\x"'), /bad escape/],
    ['a bad device', whole('%n0 = NoOp() @gpu "a"'), /not a device name/],
    [
      'a training without rate',
      whole('training optimizer=sgd weightDecay=0.0 clip=none'),
      /lacks learningRate/,
    ],
    [
      'a training with too much',
      whole('training optimizer=sgd learningRate=1.0 weightDecay=0.0 clip=none limit=1.0'),
      /limit cannot stand with optimizer=sgd/,
    ],
  ];
  it.each(cases)('refuse %s', (_, text, message) => {
    const error = fault(text);
    expect(error.code).toBe('PW_PARSE');
    expect(error.message).toMatch(message);
    expect(error.where.excerpt?.length).toBeGreaterThan(0);
  });

  it('refuse types that the op does not give', () => {
    const wrong = fault(whole(two.replace('-> float32[2]', '-> float32[3]')));
    expect(wrong).toMatchObject({ code: 'PW_PARSE_TYPE', where: { line: 3, node: 'c' } });
    expect(wrong.message).toContain('gives float32[2], but is said to give float32[3]');
    expect(fault(whole(two, '%n2 = AddV2(%n1) -> float32[2] "a"')).code).toBe('PW_PARSE_TYPE');
    expect(fault(whole('%n0 = Const() -> float32[2] "a"')).code).toBe('PW_PARSE_TYPE');
  });

  it('refuse constants that are missing or others', () => {
    const { text, constants } = printModule(rich());
    expect(() => parseModule(text)).toThrow(expect.objectContaining({ code: 'PW_PARSE_CONSTANT' }));
    const [hash = ''] = constants.keys();
    const other = { dtype: 'int32', shape: [3, 3], data: new Int32Array(9) } as const;
    expect(() => parseModule(text, { constants: new Map([[hash, other]]) })).toThrow(
      expect.objectContaining({ code: 'PW_PARSE_CONSTANT' }),
    );
  });
});

describe('hostile texts', () => {
  it('take names for names', () => {
    const module = parseModule(
      whole('%n0 = "</script>"() {__proto__=1, constructor=hasOwnProperty} "__proto__" group=__proto__'),
    );
    expect(module.graph.nodes.get('n0')).toMatchObject({ name: '__proto__', op: '</script>' });
    expect(Object.hasOwn(Object.prototype, '1')).toBe(false);
    expect(({} as { value?: unknown }).value).toBeUndefined();
  });

  it('may be huge', { timeout: 20_000 }, () => {
    const huge = 'x'.repeat(MAX_STRING + 10);
    expect(fault(whole(`%n0 = NoOp() "${huge}"`)).message).toMatch(/a string is too long/);
    expect(fault(whole(`%n0 = ${huge}() "a"`)).message).toMatch(/too long/);
    expect(fault(whole(`%n0 = NoOp() {a=${'9'.repeat(MAX_STRING)}} "a"`)).message).toMatch(/too long/);
    expect(fault(whole(`%n0 = NoOp() {a=${'['.repeat(1_000_000)}`)).code).toBe('PW_PARSE');
    expect(fault(whole(`%n0 = ${'\\'.repeat(1_000_000)}`)).code).toBe('PW_PARSE');
    expect(fault(`${' '.repeat(10_000_000)}${'\n#'.repeat(1_000_000)}x`).code).toBe('PW_PARSE');
    expect(fault('x'.repeat(2 ** 28 + 1)).message).toMatch(/characters/);
  });

  it('may be cut off anywhere', () => {
    const { text } = printModule(rich());
    const last = text.lastIndexOf('end');
    for (let length = 0; length < last + 3; length += 7) {
      expect(fault(text.slice(0, length))).toBeInstanceOf(PlacewrightError);
    }
  });

  it('give a module or an error for people, whatever is changed in them', () => {
    const { text, constants } = printModule(rich());
    const random = generator(7);
    const alphabet = '%nr0123456789-.[]{}()"\\,:=@^#? \n/eE+\u0000\ud800x';
    let read = 0;
    for (let i = 0; i < 1500; i++) {
      const at = random(text.length);
      const piece = alphabet.charAt(random(alphabet.length)).repeat(1 + random(2));
      const changed = text.slice(0, at) + piece + text.slice(at + random(4));
      try {
        printModule(parseModule(changed, { constants, registry: ops }));
        read += 1;
      } catch (error) {
        if (!(error instanceof PlacewrightError)) throw error;
        expect(error.code).toMatch(/^PW_PARSE/);
      }
    }
    expect(read).toBeGreaterThan(0);
  });
});

/** Whole numbers below a bound from a linear congruential generator, the same on every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
