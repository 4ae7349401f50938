import { builtinRegistry, edit, emptyModule, PlacewrightError, printModule } from '@placewright/ir';
import { opCases, opModule, prepare, TESTED_OPS, trainingCases } from '@placewright/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeGraphDef,
  encodeGraphDef,
  fromGraphDef,
  type GraphSidecar,
  parseGraphDef,
  printGraphDef,
  printSidecar,
  sidecarFromJson,
  toGraphDef,
} from '../src/index.js';

function errorOf(body: () => unknown): PlacewrightError {
  try {
    body();
  } catch (error) {
    if (error instanceof PlacewrightError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const TYPES = 'attr { key: "T" value { type: DT_FLOAT } }';
const X = `node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape { dim { size: 2 } } } } }`;
const read = (text: string) => fromGraphDef(parseGraphDef(text), { file: 'a.pbtxt' });

const BAD: readonly (readonly [what: string, text: string, code: string, says: string])[] = [
  ['two nodes of one name', `${X} ${X}`, 'PW_GRAPHDEF_NODE', 'node "x" stands twice'],
  ['a node without a name', 'node { op: "NoOp" }', 'PW_GRAPHDEF_NODE', 'has no name'],
  ['a node without an op', 'node { name: "a" }', 'PW_GRAPHDEF_NODE', 'has no op'],
  [
    'an edge from nowhere',
    `node { name: "a" op: "Neg" input: "b" }`,
    'PW_GRAPHDEF_DANGLING',
    'comes after "b"',
  ],
  ['a control edge from nowhere', `node { name: "a" op: "NoOp" input: "^b" }`, 'PW_GRAPHDEF_DANGLING', '"b"'],
  [
    'an output that is not there',
    `${X} node { name: "y" op: "Neg" input: "x:3" ${TYPES} }`,
    'PW_GRAPHDEF_DANGLING',
    'output 3 of "x" is taken, and Placeholder has 1',
  ],
  [
    'a cycle',
    'node { name: "a" op: "Neg" input: "b" } node { name: "b" op: "Neg" input: "a" }',
    'PW_GRAPHDEF_CYCLE',
    'the graph has a cycle: "b" → "a"',
  ],
  ['a node before itself', 'node { name: "a" op: "NoOp" input: "^a" }', 'PW_GRAPHDEF_CYCLE', '"a"'],
  [
    'an attribute twice',
    `node { name: "a" op: "NoOp" ${TYPES} ${TYPES} }`,
    'PW_GRAPHDEF_ATTR',
    'has the attribute "T" twice',
  ],
  ['a device that is none', 'node { name: "a" op: "NoOp" device: "/tpu" }', 'PW_DEVICE_NAME', '/tpu'],
  [
    'a function',
    'library { function { signature { name: "f" } } }',
    'PW_GRAPHDEF_LIBRARY',
    'the graph calls functions, such as "f"',
  ],
  [
    'a variable of unknown rank',
    `node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
      attr { key: "shape" value { shape { unknown_rank: true } } } }`,
    'PW_GRAPHDEF_SHAPE',
    'node "v" is a variable of unknown rank',
  ],
  [
    'a variable of a foreign type',
    `node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_COMPLEX64 } }
      attr { key: "shape" value { shape { } } } }`,
    'PW_GRAPHDEF_TYPE',
    'node "v" is a variable of an element type',
  ],
  [
    'a handle that is taken as a tensor',
    `node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
      attr { key: "shape" value { shape { } } } } node { name: "y" op: "Identity" input: "v" }
      node { name: "z" op: "Neg" input: "y" }`,
    'PW_GRAPHDEF_HANDLE',
    '"v" (VarHandleOp) is taken as a tensor',
  ],
  [
    'a computed parameter',
    `${X} node { name: "p" op: "Neg" input: "x" } node { name: "y" op: "Transpose" input: "x" input: "p" }
      node { name: "z" op: "Neg" input: "y" }`,
    'PW_GRAPHDEF_OP',
    'Transpose "y" is none of the IR\'s: its perm, "p", is no constant',
  ],
  [
    'an unknown op whose output is used',
    'node { name: "a" op: "Mystery" } node { name: "b" op: "Neg" input: "a" }',
    'PW_GRAPHDEF_SHAPE',
    'node "a" (Mystery) is no op of the IR',
  ],
  [
    'a constant with too few bytes',
    `node { name: "c" op: "Const" attr { key: "value" value { tensor { dtype: DT_FLOAT
      tensor_shape { dim { size: 3 } } tensor_content: "abcd" } } } }`,
    'PW_GRAPHDEF_TENSOR',
    'a tensor of shape [3] needs 12 bytes and has 4',
  ],
  [
    'a constant of billions',
    `node { name: "c" op: "Const" attr { key: "value" value { tensor { dtype: DT_FLOAT
      tensor_shape { dim { size: 2000000000 } } float_val: 1 } } } }`,
    'PW_GRAPHDEF_TENSOR',
    'repeat numbers too many times',
  ],
  [
    'a constant beyond all bounds',
    `node { name: "c" op: "Const" attr { key: "value" value { tensor { dtype: DT_FLOAT
      tensor_shape { dim { size: 4000000000 } dim { size: 4000000000 } } } } } }`,
    'PW_GRAPHDEF_TENSOR',
    'repeat numbers too many times',
  ],
  [
    'damaged marks of ours',
    `node { name: "r" op: "Reshape" attr { key: "_placewright_op" value { s: "StatelessRandomNormal" } }
      attr { key: "_placewright_attrs" value { s: "[[1]]" } } }`,
    'PW_GRAPHDEF_ATTR',
    'are damaged',
  ],
];

describe('a graph that cannot be is refused', () => {
  test.for(BAD)('with %s', ([, text, code, says]) => {
    const error = errorOf(() => read(text));
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
    expect(error.where.file).toBe('a.pbtxt');
    expect(error.hint).not.toBe('');
  });

  test('as text or bytes that are none', () => {
    expect(errorOf(() => parseGraphDef('node { name: ', 'a.pbtxt'))).toMatchObject({
      code: 'PW_GRAPHDEF_TEXT',
      where: { file: 'a.pbtxt' },
    });
    expect(errorOf(() => parseGraphDef('node { colour: 3 }')).message).toContain('colour');
    const deep = `node { attr { value { ${'list { func { attr { value { '.repeat(5000)}`;
    expect(errorOf(() => parseGraphDef(deep)).code).toBe('PW_GRAPHDEF_TEXT');
    expect(errorOf(() => decodeGraphDef(Uint8Array.of(10, 255, 255, 255, 255, 7), 'a.pb'))).toMatchObject({
      code: 'PW_GRAPHDEF_BINARY',
      where: { file: 'a.pb' },
    });
  });

  test('names are data: __proto__, control characters, a megabyte', () => {
    const names = ['__proto__', 'constructor', 'a\u0001b', '</script>', 'n'.repeat(1_000_000)];
    const nodes = names.map(
      (name) =>
        `node { name: ${JSON.stringify(name)} op: "__proto__" attr { key: "__proto__" value { i: 1 } } }`,
    );
    const module = read(nodes.join('\n').replace('\\u0001', '\\001'));
    expect([...module.graph.nodes.values()].map(({ name }) => name)).toEqual(names);
    const [first] = module.graph.nodes.values();
    expect(first?.attrs.get('__proto__')).toEqual({ kind: 'int', value: 1 });
    expect(() => printModule(module)).not.toThrow();
    const { graph } = toGraphDef(module);
    for (const { name } of graph.node) expect(name).toMatch(/^[A-Za-z0-9.][A-Za-z0-9_./-]*$/);
  });

  test('a chain of 100,000 nodes passes', () => {
    const node = (i: number) => ({
      name: `n${i}`,
      op: 'NoOp',
      input: i === 0 ? [] : [`^n${i - 1}`],
      device: '',
      attr: [],
    });
    const graph = { node: Array.from({ length: 100_000 }, (_, i) => node(99_999 - i)).reverse() };
    expect(fromGraphDef(decodeGraphDef(encodeGraphDef(graph))).graph.nodes.size).toBe(100_000);
  });
});

describe('bytes of files that were cut or changed', () => {
  const graphs = [
    ...TESTED_OPS.map((op) => opModule(fc.sample(opCases(op), { seed: 1, numRuns: 1 })[0] as never).module),
    ...fc.sample(trainingCases(), { seed: 2, numRuns: 3 }).map((plan) => prepare(plan).compilation.module),
  ].map((module) => encodeGraphDef(toGraphDef(module).graph));

  /** A module, or an error of ours; nothing else. */
  function survives(bytes: Uint8Array): void {
    try {
      printModule(fromGraphDef(decodeGraphDef(bytes)));
    } catch (error) {
      if (!(error instanceof PlacewrightError)) throw error;
    }
  }

  test('give a module or an error of ours', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...graphs),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), { maxLength: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        (bytes, changes, end, cut) => {
          const copy = bytes.slice(0, cut ? Math.floor(end * bytes.length) : bytes.length);
          for (const [place, value] of changes) copy[Math.floor(place * (copy.length - 1))] = value;
          survives(copy);
        },
      ),
      { seed: 7, numRuns: 2000 },
    );
  });

  test('any bytes at all', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survives), { seed: 8, numRuns: 1000 });
  });
});

describe('a description beside a graph', () => {
  const { graph, sidecar } = toGraphDef(
    opModule(fc.sample(opCases('AssignVariableOp'), { seed: 1, numRuns: 1 })[0] as never).module,
  );
  const changed = (change: (value: Record<string, unknown>) => void): GraphSidecar => {
    const value = JSON.parse(printSidecar(sidecar)) as Record<string, unknown>;
    change(value);
    return sidecarFromJson(value, 'a.json');
  };
  const rename = (from: string, to: string): GraphSidecar =>
    sidecarFromJson(JSON.parse(printSidecar(sidecar).replaceAll(JSON.stringify(from), JSON.stringify(to))));

  test.for<[string, () => unknown, string]>([
    [
      'of another format',
      () =>
        changed((value) => {
          value.format = 'x';
        }),
      'format is "x"',
    ],
    [
      'of a later version',
      () =>
        changed((value) => {
          value.version = 2;
        }),
      'version is 2',
    ],
    [
      'with an entry that is none',
      () =>
        changed((value) => {
          value.entries = { go: {} };
        }),
      'unknown field "go"',
    ],
    [
      'without variables',
      () =>
        changed((value) => {
          delete value.variables;
        }),
      'lacks "variables"',
    ],
    [
      'with a node that the graph lacks',
      () => fromGraphDef(graph, { sidecar: rename('case', 'other') }),
      '"other"',
    ],
    [
      'with a variable that the graph lacks',
      () => fromGraphDef(graph, { sidecar: rename('var0', 'w') }),
      'no handle of "w"',
    ],
  ])('%s does not fit', ([, body, says]) => {
    const error = errorOf(body);
    expect(error.code).toBe('PW_GRAPHDEF_SIDECAR');
    expect(error.message).toContain(says);
    expect(error.hint).not.toBe('');
  });
});

describe('a module that a GraphDef cannot hold is refused', () => {
  const WHY = { reason: 'a test' };
  const build = (body: Parameters<typeof edit>[3]) =>
    edit(emptyModule('m'), builtinRegistry, 'build', body).module;

  test('with abstract ops', () => {
    const module = build((editor) => {
      const value = { dtype: 'float32', shape: [], data: Float32Array.of(1) } as const;
      const node = editor.addNode({ op: 'Const', name: 'c', attrs: { value } }, WHY);
      editor.addNode({ op: 'AllReduce', name: 'all', inputs: [{ node, port: 0 }] }, WHY);
    });
    expect(errorOf(() => toGraphDef(module))).toMatchObject({
      code: 'PW_GRAPHDEF_OP',
      where: { node: 'all' },
    });
  });

  test('with a container that TensorFlow does not take', () => {
    const module = build((editor) => {
      const common = { container: 'a b', device: '/device:CPU:0', replica: null, name: 'area' } as const;
      editor.addResource({ kind: 'stagingArea', types: [], capacity: 1, ...common }, WHY);
    });
    expect(errorOf(() => toGraphDef(module)).code).toBe('PW_GRAPHDEF_NAME');
  });

  test('with two devices under one name', () => {
    const module = build((editor) => {
      for (const device of ['/device:CPU:0', '/device:GPU:0'])
        editor.addNode({ op: 'NoOp', name: 'n', device }, WHY);
    });
    const devices = new Map([['/device:GPU:0', '/device:CPU:0']]);
    expect(errorOf(() => toGraphDef(module, { devices })).code).toBe('PW_GRAPHDEF_DEVICES');
  });

  test('text of constants that would not fit', () => {
    const module = build((editor) => {
      const data = new Float32Array(2 ** 26 + 1);
      editor.addNode(
        { op: 'Const', name: 'c', attrs: { value: { dtype: 'float32', shape: [data.length], data } } },
        WHY,
      );
    });
    expect(errorOf(() => printGraphDef(toGraphDef(module).graph)).code).toBe('PW_GRAPHDEF_SIZE');
  });
});
