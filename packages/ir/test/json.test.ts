import { describe, expect, it } from 'vitest';
import { PlacewrightError } from '../src/errors.js';
import { emptyModule, type Module } from '../src/graph.js';
import { type Json, moduleFromJson, moduleToJson } from '../src/json.js';
import { tensorOf } from '../src/tensor.js';
import { DEFAULT_TRAINING } from '../src/training.js';
import { lowered } from './support/lowered.js';
import { build, chain, nodeCalled, rich, why } from './support/modules.js';
import { ops } from './support/ops.js';

/** Through the text of a file and back. */
const throughText = (json: Json): unknown => JSON.parse(JSON.stringify(json));

function roundTrip(module: Module): Module {
  return moduleFromJson(throughText(moduleToJson(module)), { registry: ops });
}

describe('JSON form', () => {
  it('reads back everything a module holds', () => {
    for (const module of [rich(), lowered(), emptyModule('')]) {
      const again = roundTrip(module);
      expect(again).toStrictEqual(module);
      expect([...again.graph.nodes.keys()]).toEqual([...module.graph.nodes.keys()]);
    }
    const attrs = (module: Module): string[] => [...nodeCalled(module, '__proto__').attrs.keys()];
    expect(attrs(roundTrip(rich()))).toEqual(attrs(rich()));
  });

  it('reads back every kind of training', () => {
    const rates = { learningRate: 0.1, momentum: -0 };
    for (const training of [
      DEFAULT_TRAINING,
      { ...DEFAULT_TRAINING, clip: { kind: 'value', limit: Infinity } as const },
      { ...DEFAULT_TRAINING, optimizer: { kind: 'rmsprop', ...rates, decay: 1, epsilon: 0 } as const },
    ]) {
      const module = { ...emptyModule('m'), training };
      expect(roundTrip(module)).toStrictEqual(module);
    }
  });

  it('leaves large constants out where it is told to', () => {
    const value = tensorOf('float32', [100_000], new Float32Array(100_000).fill(0.1));
    const module = build((editor) => {
      editor.addNode({ op: 'Const', name: 'c', attrs: { value } }, why);
    });
    expect(roundTrip(module)).toStrictEqual(module);
    const constants = new Map();
    const json = throughText(moduleToJson(module, { constants }));
    expect(JSON.stringify(json).length).toBeLessThan(1000);
    expect(moduleFromJson(json, { constants })).toStrictEqual(module);
    expect(() => moduleFromJson(json)).toThrow(expect.objectContaining({ code: 'PW_JSON' }));
  });

  it('takes a chain of 100,000 nodes', () => {
    const again = roundTrip(chain(100_000));
    expect(again.graph.nodes.size).toBe(100_000);
  });
});

type Loose = { [key: string]: Loose } & Loose[];

describe('hostile JSON', () => {
  /** What reading gives after a change to the JSON of a sound module. */
  function fault(change: (json: Loose) => unknown): PlacewrightError {
    const json = throughText(moduleToJson(lowered())) as Loose;
    const changed = change(json);
    try {
      moduleFromJson(typeof changed === 'function' ? json : (changed ?? json), {
        registry: ops,
        file: 'm.json',
      });
    } catch (error) {
      if (!(error instanceof PlacewrightError)) throw error;
      expect(error.hint, error.message).not.toBe('');
      return error;
    }
    throw new Error('the JSON was read without an error');
  }

  const set =
    (path: string, value: unknown) =>
    (json: Loose): void => {
      const steps = path.split('.');
      const last = steps.pop() ?? '';
      let at = json;
      for (const step of steps) at = at[step] as Loose;
      Object.defineProperty(at, last, { value, enumerable: true, configurable: true, writable: true });
    };

  const cases: readonly (readonly [what: string, change: (json: Loose) => unknown, message: RegExp])[] = [
    ['no object', () => [], /^the module is a list, not an object/],
    ['no format', (json) => ({ nodes: json.nodes }), /^the module lacks "format"/],
    ['another format', set('format', 'onnx'), /^format is "onnx"/],
    ['another version', set('version', 2), /^version is 2/],
    ['an unknown field', set('nodez', []), /unknown field "nodez"/],
    ['a field that is missing', set('nodes.0.op', undefined), /^nodes\[0\]\.op is missing, not a string/],
    [
      'a field called __proto__',
      set('nodes.0.__proto__', {}),
      /^nodes\[0\] has an unknown field "__proto__"/,
    ],
    ['a bad id', set('nodes.0.id', '__proto__'), /^nodes\[0\]\.id is "__proto__", which is no id/],
    ['an id above nextId', set('nextId', 0), /not below nextId 0/],
    [
      'an absurd number',
      set('nodes.0.outputs.0.shape', [1e300]),
      /^nodes\[0\]\.outputs\[0\]\.shape\[0\] is 1e\+300/,
    ],
    [
      'too many elements',
      set('nodes.0.outputs.0.shape', [65536, 65536]),
      /outputs\[0\]\.shape a tensor of shape/,
    ],
    ['a bad device', set('nodes.0.device', 'gpu'), /^nodes\[0\]\.device "gpu" is not a device/],
    ['a bad attribute', set('nodes.0.attrs.0.kind', 'toString'), /attrs\[0\]\.kind is "toString"/],
    ['an attribute of another kind', set('nodes.0.attrs.0.value', {}), /attrs\[0\]\.value is an object/],
    ['a dangling edge', set('nodes.0.controls', ['n999']), /waits for %n999/],
    ['a dangling target', set('entries.0.rounds.0.0', 'n999'), /a target is %n999/],
    ['a cycle', set('nodes.0.controls', ['n0']), /cycle/],
  ];
  it.each(cases)('refuses %s', (_, change, message) => {
    const error = fault(change);
    expect(error).toMatchObject({ code: 'PW_JSON', kind: 'user', where: { file: 'm.json' } });
    expect(error.message).toMatch(message);
  });

  it('refuses ids, names and entries that are there twice', () => {
    const again =
      (list: string) =>
      (json: Loose): void => {
        const items = json[list] as unknown as unknown[];
        items.push(items[0]);
      };
    expect(fault(again('nodes')).message).toMatch(/^nodes\[\d+\] is a second n0/);
    expect(fault(again('resources')).message).toMatch(/^resources\[\d+\] is a second r/);
    expect(fault(again('entries')).message).toMatch(/^entries\[3\] is a second init/);
    expect(fault(set('nodes.5.name', 'copy')).message).toMatch(/both called/);
  });

  it('refuses types that the op does not give, with the lines around', () => {
    const error = fault(set('nodes.1.outputs.0.shape', [3]));
    expect(error).toMatchObject({ code: 'PW_PARSE_TYPE' });
    expect(error.where.excerpt?.length).toBeGreaterThan(1);
  });

  it('refuses constants that are no base64 or of another length', () => {
    const constant = 'nodes.1.attrs.0.value';
    expect(fault(set(`${constant}.base64`, '*')).message).toMatch(
      /^nodes\[1\]\.attrs\[0\]\.value has a "base64"/,
    );
    expect(fault(set(`${constant}.base64`, 'AAAA')).message).toMatch(/needs 8 bytes and got 3/);
    expect(fault(set(constant, { dtype: 'float32', shape: [2] })).message).toMatch(
      /lacks "base64" or "hash"/,
    );
  });
});
