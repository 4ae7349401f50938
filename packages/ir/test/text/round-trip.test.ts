import { describe, expect, it } from 'vitest';
import { constantHash, decodeConstants, encodeConstants } from '../../src/constants.js';
import { edit } from '../../src/editor.js';
import { emptyModule, type Module } from '../../src/graph.js';
import { tensorOf } from '../../src/tensor.js';
import { parseModule } from '../../src/text/parse.js';
import { excerptAround, printModule, printNodes } from '../../src/text/print.js';
import { sha256 } from '../../src/text/sha256.js';
import { DEFAULT_TRAINING, type TrainingSpec } from '../../src/training.js';
import { topologicalOrder } from '../../src/traverse.js';
import { build, chain, nodeCalled, out, rich, why } from '../support/modules.js';
import { ops } from '../support/ops.js';

function roundTrip(module: Module): Module {
  const { text, constants } = printModule(module);
  return parseModule(text, { constants, registry: ops });
}

describe('text form', () => {
  it('reads back everything a module holds', () => {
    const module = rich();
    const again = roundTrip(module);
    expect(again).toStrictEqual(module);
    expect([...again.graph.nodes.keys()]).toEqual([...module.graph.nodes.keys()]);
    expect([...again.resources.keys()]).toEqual([...module.resources.keys()]);
    const attrs = (of: Module): string[] => [...nodeCalled(of, '__proto__').attrs.keys()];
    expect(attrs(again)).toEqual(attrs(module));
  });

  it('prints the same text again', () => {
    const { text } = printModule(rich());
    expect(printModule(roundTrip(rich())).text).toBe(text);
  });

  it('reads back an empty module', () => {
    expect(roundTrip(emptyModule(''))).toStrictEqual(emptyModule(''));
  });

  const trainings: TrainingSpec[] = [
    DEFAULT_TRAINING,
    { ...DEFAULT_TRAINING, optimizer: { kind: 'momentum', learningRate: 1, momentum: 0.9, nesterov: false } },
    {
      optimizer: { kind: 'rmsprop', learningRate: 1e-7, decay: 0.9, momentum: 0, epsilon: 1e-10 },
      weightDecay: 0.1 + 0.2,
      clip: { kind: 'value', limit: 1 },
    },
  ];
  it.each(trainings)('reads back the training $optimizer.kind', (training) => {
    const module = { ...emptyModule('m'), training };
    expect(roundTrip(module)).toStrictEqual(module);
  });

  it('keeps nodes in their order, also where an edge goes back in it', () => {
    const module = build((editor) => {
      const a = editor.addNode({ op: 'NoOp', name: 'a' }, why);
      const b = editor.addNode({ op: 'NoOp', name: 'b' }, why);
      editor.addControl(a, b, why);
    });
    expect([...roundTrip(module).graph.nodes.values()].map(({ name }) => name)).toEqual(['a', 'b']);
    expect(roundTrip(module)).toStrictEqual(module);
  });

  it('shows type, shape, device and origin of a node on its line', () => {
    const module = build((editor) => {
      const x = editor.addNode(
        { op: 'Placeholder', name: 'x', attrs: { dtype: 'float32', shape: [null, 4] } },
        why,
      );
      editor.addNode(
        {
          op: 'Pool',
          name: 'pool0/Pool',
          inputs: [out(x)],
          attrs: { ksize: [1, 2, 2, 1], padding: 'SAME' },
          device: '/gpu:1',
          replica: 1,
          group: 'pool0',
        },
        { reason: 'layer pool0', from: [x] },
      );
    });
    expect(printNodes(module, ['n1'])).toEqual([
      '%n1 = Pool(%n0) {ksize=[1, 2, 2, 1], padding=SAME, rate=0.1} -> float32[?, 4] @/device:GPU:1 ' +
        '"tower_1/pool0/Pool" replica=1 group=pool0 by=build from=[%n0] why="layer pool0"',
    ]);
  });

  it('allows comments, blank lines and other spacing, and fills in what is left out', () => {
    const text = [
      '# a module by hand',
      'placewright 1   # version',
      '',
      'module hand',
      '%n4=NoOp( ) "a#b"\t# not part of the name',
      '  %n9 = NoOp(^%n4)@/gpu:0"c"',
      'end\r',
      '# over',
    ].join('\n');
    const module = parseModule(text, { registry: ops });
    expect(module.nextId).toBe(10);
    expect(nodeCalled(module, 'a#b').origin).toEqual({ pass: 'build', from: [], reason: '' });
    expect(nodeCalled(module, 'c')).toMatchObject({ device: '/device:GPU:0', controls: ['n4'] });
  });

  it('gives the lines around a node', () => {
    const lines = excerptAround(chain(10), 'n5', 1);
    expect(lines.map((line) => line.split(' ', 1)[0])).toEqual(['%n4', '%n5', '%n6']);
    expect(excerptAround(chain(3), 'n77')).toEqual([]);
  });

  it('takes a chain of 100,000 nodes', () => {
    const module = chain(100_000);
    const again = roundTrip(module);
    expect(topologicalOrder(again.graph)).toHaveLength(100_000);
    expect(printModule(again).text).toBe(printModule(module).text);
  });
});

describe('constants', () => {
  const value = tensorOf('float32', [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);

  it('keeps those over 8 elements out of the text, once each', () => {
    const module = edit(emptyModule('m'), ops, 'build', (editor) => {
      for (const name of ['a', 'b']) editor.addNode({ op: 'Const', name, attrs: { value } }, why);
    }).module;
    const { text, constants } = printModule(module);
    expect([...constants]).toEqual([[constantHash(value), value]]);
    expect(text).toContain(`value=float32[3, 3](${constantHash(value)})`);
    expect(
      parseModule(text, { constants: decodeConstants(encodeConstants(constants)), registry: ops }),
    ).toStrictEqual(module);
  });

  it('hashes by dtype, shape and bytes', () => {
    const { data } = value;
    const hashes = [
      constantHash({ ...value }),
      constantHash({ ...value, shape: [9] }),
      constantHash({ ...value, dtype: 'float16' }),
      constantHash(tensorOf('float32', [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, -9])),
    ];
    expect(hashes[0]).toBe(constantHash({ ...value, data: data.slice() }));
    expect(new Set(hashes).size).toBe(4);
  });

  it('reads a constants file that lies at an odd place in memory', () => {
    const table = new Map([
      [constantHash(value), value],
      [constantHash(tensorOf('float64', [0], [])), tensorOf('float64', [0], [])],
    ]);
    const file = encodeConstants(table);
    const moved = new Uint8Array(file.length + 3);
    moved.set(file, 3);
    expect(decodeConstants(moved.subarray(3))).toStrictEqual(table);
  });

  it('refuses a constants file that is damaged, cut off or another', () => {
    const file = encodeConstants(new Map([[constantHash(value), value]]));
    const flipped = file.slice();
    flipped[flipped.length - 20] = 255;
    const huge = file.slice();
    new DataView(huge.buffer).setUint32(8, 0xffffffff, true);
    for (const bad of [
      flipped,
      huge,
      file.slice(0, -9),
      file.slice(0, 10),
      new Uint8Array(100),
      new Uint8Array(),
    ]) {
      expect(() => decodeConstants(bad)).toThrow(expect.objectContaining({ code: 'PW_CONSTANTS' }));
    }
  });

  it('hashes as FIPS 180-4 says', () => {
    const hash = (text: string): string => sha256(new TextEncoder().encode(text));
    expect(hash('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(hash('a'.repeat(1_000_000))).toBe(
      'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    );
    expect(hash('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')).toBe(
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    );
  });
});
