import { describe, expect, test } from 'vitest';
import { addWeightDecay, differentiate, type VariableTensor } from '../../src/autodiff.js';
import type { GraphEditor } from '../../src/editor.js';
import type { Module, Node, TensorRef } from '../../src/graph.js';
import { builtinRegistry } from '../../src/registry.js';
import { toNumbers } from '../../src/tensor.js';
import { addNode, build, variable } from '../ops/support.js';
import { forward } from './support.js';

const WHY = { reason: 'test' };

function read(editor: GraphEditor, name: string): VariableTensor {
  const id = editor.addResource(variable('float32[3]', name), WHY);
  return {
    variable: name,
    tensor: { node: addNode(editor, 'ReadVariableOp', [], {}, [id], `${name}/read`), port: 0 },
  };
}

const lossOf = (editor: GraphEditor, tensors: readonly TensorRef[]): TensorRef =>
  forward(editor, 'Mean', [forward(editor, 'AddN', tensors)], { axis: [0] }, 'loss');

function nodeAt(module: Module, tensor: TensorRef | undefined): Node | undefined {
  return tensor === undefined ? undefined : module.graph.nodes.get(tensor.node);
}

describe('differentiate', () => {
  test('gives a gradient for each variable, in the order of the reads, and marks it', () => {
    let grads: VariableTensor[] = [];
    const { module } = build((editor) => {
      const [a, b] = [read(editor, 'a'), read(editor, '__proto__')];
      const product = forward(editor, 'Mul', [a.tensor, b.tensor]);
      grads = differentiate(editor, builtinRegistry, lossOf(editor, [product]), [b, a]);
    });
    expect(grads.map((grad) => grad.variable)).toEqual(['__proto__', 'a']);
    expect(grads.map(({ tensor }) => nodeAt(module, tensor))).toMatchObject([
      { op: 'Mul', variable: '__proto__', phase: 'backward' },
      { op: 'Mul', variable: 'a', phase: 'backward' },
    ]);
  });

  test('does not mark a gradient that two variables share', () => {
    let grads: VariableTensor[] = [];
    const { module } = build((editor) => {
      const reads = [read(editor, 'a'), read(editor, 'b')];
      const loss = lossOf(
        editor,
        reads.map(({ tensor }) => tensor),
      );
      grads = differentiate(editor, builtinRegistry, loss, reads);
    });
    expect(grads[0]?.tensor).toEqual(grads[1]?.tensor);
    expect(nodeAt(module, grads[0]?.tensor)?.variable).toBe(null);
  });

  test('adds up the reads of one variable, and counts a read that is given twice once', () => {
    let grads: VariableTensor[] = [];
    const { module } = build((editor) => {
      const first = read(editor, 'a');
      const second = { ...read(editor, 'a'), variable: 'a' };
      const loss = lossOf(editor, [forward(editor, 'Mul', [first.tensor, second.tensor])]);
      grads = differentiate(editor, builtinRegistry, loss, [first, second, first]);
    });
    expect(grads).toHaveLength(1);
    expect(nodeAt(module, grads[0]?.tensor)).toMatchObject({
      op: 'AddN',
      name: 'gradients/a/AddN',
      variable: 'a',
    });
    expect(nodeAt(module, grads[0]?.tensor)?.inputs).toHaveLength(2);
  });

  test('names all variables that the loss does not depend on', () => {
    expect(() =>
      build((editor) => {
        const reads = ['a', 'b', 'c'].map((name) => read(editor, name));
        differentiate(editor, builtinRegistry, lossOf(editor, [reads[1]?.tensor as TensorRef]), reads);
      }),
    ).toThrow(
      expect.objectContaining({
        code: 'PW_VARIABLE_NO_GRADIENT',
        message: 'the loss "loss" does not depend on "a", "c"',
        where: { node: 'loss' },
      }),
    );
  });

  test('wants a scalar', () => {
    expect(() =>
      build((editor) => {
        const a = read(editor, 'a');
        differentiate(editor, builtinRegistry, a.tensor, [a]);
      }),
    ).toThrow(expect.objectContaining({ code: 'PW_MODEL_LOSS' }));
  });
});

describe('addWeightDecay', () => {
  test('adds λ times the sum of the squares, each variable once', () => {
    let total: TensorRef | undefined;
    let loss: TensorRef | undefined;
    const { module } = build((editor) => {
      const [a, b] = [read(editor, 'a'), read(editor, 'b')];
      loss = lossOf(editor, [a.tensor, b.tensor]);
      total = addWeightDecay(editor, loss, [a, b, { ...read(editor, 'a'), variable: 'a' }], 0.5);
    });
    const add = nodeAt(module, total);
    expect(add).toMatchObject({
      op: 'AddV2',
      name: 'l2_loss/add',
      phase: 'forward',
      inputs: [loss, { port: 0 }],
    });
    const mul = nodeAt(module, add?.inputs[1]);
    expect(mul).toMatchObject({ op: 'Mul', name: 'l2_loss/mul' });
    const factor = nodeAt(module, mul?.inputs[0])?.attrs.get('value');
    expect(factor?.kind === 'tensor' ? toNumbers(factor.value) : []).toEqual([0.5]);
    const sum = nodeAt(module, mul?.inputs[1]);
    expect(sum?.op).toBe('AddN');
    expect(sum?.inputs.map((input) => nodeAt(module, input))).toMatchObject([
      { op: 'L2Loss', name: 'l2_loss/a/L2Loss', variable: 'a' },
      { op: 'L2Loss', name: 'l2_loss/b/L2Loss', variable: 'b' },
    ]);
  });

  test('adds nothing for λ = 0 or no variables', () => {
    build((editor) => {
      const a = read(editor, 'a');
      const loss = lossOf(editor, [a.tensor]);
      expect(addWeightDecay(editor, loss, [a], 0)).toBe(loss);
      expect(addWeightDecay(editor, loss, [], 0.5)).toBe(loss);
    });
  });

  test('gives each variable one AddN of its two contributions', () => {
    let grads: VariableTensor[] = [];
    const { module } = build((editor) => {
      const a = read(editor, 'a');
      const loss = addWeightDecay(editor, lossOf(editor, [a.tensor]), [a], 1e-4);
      grads = differentiate(editor, builtinRegistry, loss, [a]);
    });
    expect(nodeAt(module, grads[0]?.tensor)).toMatchObject({
      op: 'AddN',
      name: 'gradients/a/read_grad/AddN',
      variable: 'a',
    });
    expect(nodeAt(module, grads[0]?.tensor)?.inputs).toHaveLength(2);
  });
});
