import { describe, expect, test } from 'vitest';
import { gradients } from '../../src/autodiff.js';
import type { GraphEditor } from '../../src/editor.js';
import { nodeName, type TensorRef } from '../../src/graph.js';
import { builtinRegistry } from '../../src/registry.js';
import { addInput, addNode, build } from '../ops/support.js';
import { differentiated, forward, opCounts } from './support.js';

const WHY = { reason: 'test' };
const sum = (editor: GraphEditor, x: TensorRef): TensorRef =>
  forward(editor, 'Sum', [x], { axis: editor.type(x).shape.map((_, i) => i) });

describe('the nodes of a gradient', () => {
  test('are backward, on the replica and in the group of the forward node, and say what they come from', () => {
    const { module } = build((editor) => {
      const x = {
        node: editor.addNode(
          { op: 'Placeholder', name: 'x', replica: 1, attrs: { dtype: 'float32', shape: [2] } },
          WHY,
        ),
        port: 0,
      };
      const y = {
        node: editor.addNode({ op: 'Exp', name: 'conv0/Exp', inputs: [x], replica: 1, group: 'conv0' }, WHY),
        port: 0,
      };
      gradients(editor, builtinRegistry, [y], [x], { reasonPrefix: 'tower 1: ' });
    });
    const mul = [...module.graph.nodes.values()].find(({ op }) => op === 'Mul');
    expect(mul).toMatchObject({
      name: 'gradients/conv0/Exp_grad/Mul',
      phase: 'backward',
      replica: 1,
      group: 'conv0',
      device: '',
      origin: { pass: 'test', from: ['n1'], reason: 'tower 1: gradient of Exp tower_1/conv0/Exp' },
    });
  });

  test('can have another phase', () => {
    const { module } = build((editor) => {
      const x = addInput(editor, 'float32[]');
      gradients(editor, builtinRegistry, [forward(editor, 'Neg', [x])], [x], { phase: 'aggregate' });
    });
    expect([...module.graph.nodes.values()].slice(2).map(({ phase }) => phase)).toEqual([
      'aggregate',
      'aggregate',
    ]);
  });

  test('start from the constant one for a scalar, and from ones like a larger tensor', () => {
    const scalar = differentiated(['float32[]'], (editor, [x]) => forward(editor, 'Neg', [x as TensorRef]));
    expect(scalar.added.map(({ op, name }) => `${op} ${name}`)).toEqual([
      'Const gradients/grad_ys_0',
      'Neg gradients/Neg_grad/Neg',
    ]);
    const vector = differentiated(['float32[?]'], (editor, [x]) => forward(editor, 'Neg', [x as TensorRef]));
    expect(vector.added.map(({ op }) => op)).toEqual(['OnesLike', 'Neg']);
  });

  test('are only those that lead to a wanted gradient', () => {
    let grads: readonly (TensorRef | null)[] = [];
    const { module, changes } = build((editor) => {
      const x = addInput(editor, 'float32[?, 3]', 'x');
      const w = addInput(editor, 'float32[3, 4]', 'w');
      const y = sum(editor, forward(editor, 'MatMul', [x, w]));
      grads = gradients(editor, builtinRegistry, [y], [w]);
    });
    const products = [...module.graph.nodes.values()].filter(({ op }) => op === 'MatMul');
    expect(products.map(({ name }) => name)).toEqual(['MatMul', 'gradients/MatMul_grad/MatMul']);
    expect(grads[0]?.node).toBe(products[1]?.id);
    expect(changes.every(({ kind }) => kind === 'add')).toBe(true);
  });

  test('are the same, in the same order, each time', () => {
    const once = (): string[] =>
      differentiated(['float32[2]', 'float32[2]'], (editor, [x, y]) => {
        const [a, b] = [x as TensorRef, y as TensorRef];
        const product = forward(editor, 'Mul', [a, b]);
        return sum(editor, forward(editor, 'AddV2', [product, forward(editor, 'RealDiv', [product, b])]));
      }).added.map((node) => `${node.id} ${nodeName(node)} ${node.inputs.map(({ node: id }) => id).join()}`);
    expect(once()).toEqual(once());
  });
});

describe('several contributions', () => {
  test.each([
    [1, 0],
    [2, 1],
    [3, 1],
  ])('%i uses of a tensor need %i AddN', (uses, count) => {
    const { added } = differentiated(['float32[2]'], (editor, [x]) => {
      const terms = Array.from({ length: uses }, (_, i) =>
        forward(editor, i === 0 ? 'Exp' : 'Tanh', [x as TensorRef]),
      );
      return sum(editor, forward(editor, 'AddN', terms));
    });
    const sums = added.filter(({ op }) => op === 'AddN');
    expect(sums).toHaveLength(count);
    for (const { inputs, name } of sums) {
      expect(inputs).toHaveLength(uses);
      expect(name).toBe('gradients/x0_grad/AddN');
    }
  });

  test('a tensor inside of the graph that is also asked for is summed once', () => {
    let grads: readonly (TensorRef | null)[] = [];
    const { module } = build((editor) => {
      const x = addInput(editor, 'float32[]');
      const inner = forward(editor, 'Exp', [x]);
      const y = forward(editor, 'Mul', [inner, inner]);
      grads = gradients(editor, builtinRegistry, [y], [x, inner]);
    });
    const nodes = [...module.graph.nodes.values()];
    const [total] = nodes.filter(({ op }) => op === 'AddN');
    expect(opCounts(nodes).AddN).toBe(1);
    expect(grads[1]).toEqual({ node: total?.id, port: 0 });
    expect(module.graph.nodes.get(grads[0]?.node ?? 'n-1')?.inputs).toContainEqual(grads[1]);
  });

  test('two outputs to differentiate add up', () => {
    let grads: readonly (TensorRef | null)[] = [];
    const { module } = build((editor) => {
      const x = addInput(editor, 'float32[]');
      grads = gradients(editor, builtinRegistry, [forward(editor, 'Exp', [x]), x], [x]);
    });
    expect(module.graph.nodes.get(grads[0]?.node ?? 'n-1')).toMatchObject({ op: 'AddN' });
  });

  test('a tensor by itself has the gradient one', () => {
    const { added, grads } = differentiated(['float32[]'], (_editor, [x]) => x as TensorRef);
    expect(added.map(({ op }) => op)).toEqual(['Const']);
    expect(grads).toEqual([{ node: added[0]?.id, port: 0 }]);
  });

  test('an output that nothing depends on counts as zeros', () => {
    const { added, gradTypes } = differentiated(['float32[4, 6]'], (editor, [x]) => {
      const parts = addNode(editor, 'Split', [x as TensorRef], { axis: 1, num_split: 3 });
      return sum(editor, { node: parts, port: 1 });
    });
    expect(opCounts(added)).toEqual({ BroadcastTo: 1, ConcatV2: 1, ZerosLike: 2 });
    expect(gradTypes).toEqual(['float32[4, 6]']);
  });
});

describe('where nothing flows, there is no gradient and no node', () => {
  test.each<[string, (editor: GraphEditor, x: TensorRef, w: TensorRef) => TensorRef]>([
    ['an unused input', (editor, _x, w) => sum(editor, w)],
    [
      'StopGradient',
      (editor, x, w) => sum(editor, forward(editor, 'Mul', [forward(editor, 'StopGradient', [x]), w])),
    ],
    [
      'a shape',
      (editor, x, w) => sum(editor, forward(editor, 'BroadcastTo', [w, forward(editor, 'Shape', [x])])),
    ],
    [
      'whole numbers',
      (editor, x, w) => {
        const whole = forward(editor, 'Cast', [x], { DstT: 'int32' });
        return sum(
          editor,
          forward(editor, 'Mul', [forward(editor, 'Cast', [whole], { DstT: 'float32' }), w]),
        );
      },
    ],
    [
      'a comparison',
      (editor, x, w) => sum(editor, forward(editor, 'Select', [forward(editor, 'Greater', [x, w]), w, w])),
    ],
  ])('%s', (_name, body) => {
    const { grads, added } = differentiated(['float32[?]', 'float32[?]'], (editor, [x, w]) =>
      body(editor, x as TensorRef, w as TensorRef),
    );
    expect(grads[0]).toBe(null);
    expect(grads[1]).not.toBe(null);
    expect(added.some(({ inputs }) => inputs.length > 3)).toBe(false);
  });

  test('of all inputs, the graph stays as it was', () => {
    const { added } = differentiated(['float32[2]'], (editor) => sum(editor, addInput(editor, 'float32[2]')));
    expect(added).toEqual([]);
  });

  test('whole numbers cannot be differentiated', () => {
    expect(() => differentiated(['int32[]'], (_editor, [x]) => x as TensorRef)).toThrow(
      expect.objectContaining({ code: 'PW_GRADIENT_DTYPE' }),
    );
  });
});

test('a chain too long for recursion is differentiated', () => {
  const length = 30_000;
  const { added, gradTypes } = differentiated(['float32[]'], (editor, [x]) => {
    let at = x as TensorRef;
    for (let i = 0; i < length; i++) at = forward(editor, 'Neg', [at]);
    return at;
  });
  expect(added).toHaveLength(length + 1);
  expect(gradTypes).toEqual(['float32[]']);
});
