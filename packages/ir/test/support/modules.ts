import { localCluster } from '../../src/cluster.js';
import { edit, type GraphEditor, type NewNode, type Why } from '../../src/editor.js';
import {
  emptyModule,
  type Module,
  type Node,
  type NodeId,
  type Resource,
  type ResourceId,
  type TensorRef,
} from '../../src/graph.js';
import { tensorOf } from '../../src/tensor.js';
import { ops } from './ops.js';

export const why: Why = { reason: 'the test asks for it' };

export const out = (node: NodeId, port = 0): TensorRef => ({ node, port });

/** A module that `body` builds from nothing. */
export function build(body: (editor: GraphEditor) => void, name = 'test'): Module {
  return edit(emptyModule(name), ops, 'build', body).module;
}

export function addVariable(
  editor: GraphEditor,
  name: string,
  more: Partial<Omit<Extract<Resource, { kind: 'variable' }>, 'id' | 'origin' | 'kind' | 'name'>> = {},
): ResourceId {
  return editor.addResource(
    {
      kind: 'variable',
      name,
      scope: '',
      container: '',
      device: '',
      replica: null,
      dtype: 'float32',
      shape: [2],
      trainable: true,
      collection: 'global',
      slotOf: null,
      savedAs: name,
      ...more,
    },
    why,
  );
}

export function addArea(editor: GraphEditor, name: string, device = ''): ResourceId {
  return editor.addResource(
    {
      kind: 'stagingArea',
      name,
      container: '',
      device,
      replica: null,
      types: [{ dtype: 'float32', shape: [2] }],
      capacity: 1,
    },
    why,
  );
}

/** A constant of two floats. */
export function addConst(editor: GraphEditor, name: string, more: Partial<NewNode> = {}): NodeId {
  return editor.addNode(
    { op: 'Const', name, attrs: { value: tensorOf('float32', [2], [1, -0.5]) }, ...more },
    why,
  );
}

export function addInput(editor: GraphEditor, name = 'x'): NodeId {
  return editor.addNode(
    { op: 'Placeholder', name, phase: 'input', attrs: { dtype: 'float32', shape: [null, 2] } },
    why,
  );
}

/** The node with that shown or inner name. */
export function nodeCalled(module: Module, name: string): Node {
  const node = [...module.graph.nodes.values()].find((candidate) => candidate.name === name);
  if (node === undefined) throw new Error(`the test has no node ${name}`);
  return node;
}

/** The module with one node changed past the editor, as a faulty pass might. */
export function withNode(module: Module, id: NodeId, change: Partial<Node>): Module {
  const nodes = new Map(module.graph.nodes);
  const node = nodes.get(id);
  if (node === undefined) throw new Error(`the test has no node ${id}`);
  nodes.set(id, { ...node, ...change });
  return { ...module, graph: { nodes } };
}

/** A chain of `length` nodes behind one constant. */
export function chain(length: number): Module {
  return build((editor) => {
    let at = addConst(editor, 'start', { device: '/device:CPU:0' });
    for (let i = 1; i < length; i++) {
      at = editor.addNode(
        { op: 'Identity', name: `link${i}`, inputs: [out(at)], device: '/device:CPU:0' },
        why,
      );
    }
    editor.setEntry({ name: 'step', feeds: [], fetches: [{ name: 'end', tensor: out(at) }], rounds: [[]] });
  });
}

/** A module that uses everything a module can hold. */
export function rich(): Module {
  return edit(emptyModule('a "rich" module\n'), ops, 'build', (editor) => {
    const x = addInput(editor);
    const weights = addVariable(editor, 'conv0/weights', {
      scope: 'v0',
      replica: 0,
      device: '/device:GPU:0',
    });
    addVariable(editor, 'conv0/weights/Momentum', {
      scope: 'v0',
      slotOf: weights,
      trainable: false,
      collection: 'local',
      savedAs: null,
      container: 'box',
      shape: [null, 2],
    });
    const area = addArea(editor, 'staged', '/device:GPU:0');
    editor.addResource(
      { kind: 'queue', name: 'q', container: '', device: '', replica: 3, types: [], capacity: 32 },
      why,
    );
    editor.addResource(
      { kind: 'barrier', name: 'sync', container: '', device: '/job:ps/task:1', replica: null, parties: 2 },
      why,
    );
    const read = editor.addNode(
      {
        op: 'ReadVariableOp',
        name: 'conv0/read',
        resources: [weights],
        replica: 0,
        device: '/device:GPU:0',
        variable: 'conv0/weights',
        group: 'conv0',
        colocation: 'loc:@v0/conv0/weights',
      },
      { reason: 'reads the "weights"\u2028\u202e#', from: [x] },
    );
    const value = addConst(editor, 'c', { phase: 'backward' });
    const split = editor.addNode(
      { op: 'Split', name: 'split', inputs: [out(value)], attrs: { num_split: 2 } },
      why,
    );
    const sum = editor.addNode(
      { op: 'AddV2', name: 'sum', inputs: [out(split, 1), out(read)], controls: [x, value] },
      { reason: '', from: [split, read] },
    );
    editor.addNode(
      {
        op: 'Custom>Op',
        name: '__proto__',
        inputs: [out(sum)],
        outputs: [
          { dtype: 'string', shape: [] },
          { dtype: 'int64', shape: [null, 0] },
        ],
        rawAttrs: new Map([
          ['int', { kind: 'int', value: -3 }],
          ['float', { kind: 'float', value: 3 }],
          ['tiny', { kind: 'float', value: 5e-324 }],
          ['minus zero', { kind: 'float', value: -0 }],
          ['nan', { kind: 'float', value: Number.NaN }],
          ['__proto__', { kind: 'float', value: Number.NEGATIVE_INFINITY }],
          ['bool', { kind: 'bool', value: false }],
          ['word', { kind: 'string', value: 'SAME' }],
          ['looks like a type', { kind: 'string', value: 'float32' }],
          ['hostile', { kind: 'string', value: '"} -> # \\ \u0000 </script> \ud800 \u0001' }],
          ['empty', { kind: 'string', value: '' }],
          ['T', { kind: 'dtype', value: 'bfloat16' }],
          ['shape', { kind: 'shape', value: [null, 3, 0] }],
          ['scalar', { kind: 'shape', value: [] }],
          ['ints', { kind: 'ints', value: [1, -1, 2 ** 53 - 1] }],
          ['no ints', { kind: 'ints', value: [] }],
          ['floats', { kind: 'floats', value: [1, -0, 0.1, Infinity] }],
          ['no floats', { kind: 'floats', value: [] }],
          ['strings', { kind: 'strings', value: ['a', '', 'x y', '3', 'nan'] }],
          ['no strings', { kind: 'strings', value: [] }],
          ['small', { kind: 'tensor', value: tensorOf('float32', [2, 2], [0.1, -0, Number.NaN, 3.4e38]) }],
          ['half', { kind: 'tensor', value: tensorOf('bfloat16', [], [1.5]) }],
          ['double', { kind: 'tensor', value: tensorOf('float64', [1], [0.1]) }],
          [
            'long',
            {
              kind: 'tensor',
              value: { dtype: 'int64', shape: [2], data: new BigInt64Array([-(2n ** 63n), 1n]) },
            },
          ],
          ['byte', { kind: 'tensor', value: tensorOf('bool', [3], [1, 0, 1]) }],
          ['nothing', { kind: 'tensor', value: tensorOf('int32', [0, 4], []) }],
          ['large', { kind: 'tensor', value: tensorOf('int32', [3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]) }],
        ]),
      },
      why,
    );
    const put = editor.addNode(
      { op: 'Stage', name: 'put', inputs: [out(value)], resources: [area], replica: 1, phase: 'staging' },
      why,
    );
    const get = editor.addNode(
      { op: 'Unstage', name: 'get', resources: [area], device: '/job:ps/task:1/device:GPU:*' },
      why,
    );
    editor.setEntry({ name: 'init', feeds: [], fetches: [], rounds: [[]] });
    editor.setEntry({ name: 'warmUp', feeds: [], fetches: [], rounds: [[put], [put, get]] });
    editor.setEntry({
      name: 'step',
      feeds: [{ name: 'images "x"', node: x }],
      fetches: [{ name: '__proto__', tensor: out(split, 1) }],
      rounds: [[put, get, sum, x, value, read, split, put, get, sum]],
    });
    for (const replica of [null, 0]) {
      editor.addRole({ kind: 'loss', replica, tensor: out(sum) });
      editor.addRole({ kind: 'gradient', replica, variable: 'conv0/weights', tensor: out(split, 1) });
      editor.addRole({ kind: 'aggregated', replica, variable: 'conv0/weights', tensor: out(split) });
      editor.addRole({ kind: 'apply', replica, variable: '', node: put });
      editor.addRole({ kind: 'update', replica, variable: 'a b', node: put });
      editor.addRole({ kind: 'initializer', replica, variable: '#', node: put });
    }
    editor.addRole({ kind: 'globalStep', node: get });
    editor.decide({
      about: 'device',
      subject: weights,
      chosen: '/device:GPU:0',
      candidates: [
        { name: '/device:GPU:0', load: 12 },
        { name: '/device:GPU:0', load: Infinity },
      ],
      rule: 'least loaded, "lowest" on a tie',
      option: 'localParameterDevice=gpu',
    });
    editor.decide({ about: 'name', subject: put, chosen: '', candidates: [], rule: '', option: '' });
    editor.setFrame({
      training: {
        optimizer: { kind: 'momentum', learningRate: 0.1, momentum: 1, nesterov: true },
        weightDecay: 1e-4,
        clip: { kind: 'globalNorm', limit: 5 },
      },
      cluster: {
        jobs: [
          {
            name: 'ps',
            tasks: [
              { index: 0, address: 'host:2222', devices: [{ type: 'CPU', index: 0, memory: 1e9 }] },
              {
                index: 1,
                devices: [
                  { type: 'GPU', index: 0 },
                  { type: 'GPU', index: 1 },
                ],
              },
            ],
          },
          { name: 'worker', tasks: [] },
        ],
        links: [
          {
            a: '/job:ps/task:0/device:CPU:0',
            b: '/job:ps/task:1/device:GPU:0',
            bandwidth: 1e10,
            latency: 1e-6,
          },
        ],
      },
      towers: 2,
      established: ['every-node-placed', 'a b'],
    });
  }).module;
}

export const oneHost = localCluster({ numGpus: 2 });
