import { describe, expect, test } from 'vitest';
import { gradients } from '../../src/autodiff.js';
import { edit } from '../../src/editor.js';
import { emptyModule, type TensorRef } from '../../src/graph.js';
import { extendRegistry, type GradientFunction, type OpRegistry, PURE } from '../../src/op.js';
import { builtinRegistry } from '../../src/registry.js';
import { addInput, addNode } from '../ops/support.js';
import { forward } from './support.js';

/** The built-in ops and one of the user's own, `Twice`. */
function withTwice(gradient: GradientFunction | 'none'): OpRegistry {
  return extendRegistry(builtinRegistry, [
    {
      op: 'Twice',
      summary: '2x',
      inputs: [{ name: 'x', dtype: 'T' }],
      attrs: {},
      effect: PURE,
      infer: (context) => [context.input(0)],
      gradient,
    },
  ]);
}

function differentiateTwice(
  gradient: GradientFunction | 'none',
  names: readonly string[] = ['twice'],
): string[] {
  const registry = withTwice(gradient);
  const { module } = edit(emptyModule('test'), registry, 'test', (editor) => {
    const x = addInput(editor, 'float32[2]');
    let at: TensorRef = x;
    for (const name of names) at = forward(editor, 'Twice', [at], {}, name);
    gradients(editor, registry, [at], [x]);
  });
  return [...module.graph.nodes.values()].map(({ name }) => name);
}

describe("a user's op", () => {
  test('brings its own gradient', () => {
    const names = differentiateTwice((context) => context.op('Twice', [context.grad(0)]));
    expect(names).toContain('gradients/twice_grad/Twice');
  });

  test('without one is named, with every node on the way', () => {
    expect(() => differentiateTwice('none', ['first', 'second'])).toThrow(
      expect.objectContaining({
        code: 'PW_GRADIENT_MISSING',
        message: 'no gradient is known of Twice (first, second)',
        where: { node: 'first' },
        hint: expect.stringContaining('StopGradient'),
      }),
    );
  });

  test('must give a gradient for each input', () => {
    expect(() => differentiateTwice(() => [])).toThrow(
      expect.objectContaining({ code: 'PW_GRADIENT_ARITY', where: { node: 'twice' } }),
    );
  });

  test.each<[string, GradientFunction]>([
    ['shape', (context) => context.op('Sum', [context.grad(0)], { axis: [0] })],
    ['type', (context) => context.op('Cast', [context.grad(0)], { DstT: 'float64' })],
  ])('must give a gradient of the right %s', (_what, gradient) => {
    expect(() => differentiateTwice(gradient)).toThrow(
      expect.objectContaining({ code: 'PW_GRADIENT_SHAPE', where: { node: 'twice' } }),
    );
  });

  test('must not make nodes that cannot be', () => {
    expect(() =>
      differentiateTwice((context) => context.op('MatMul', [context.grad(0), context.grad(0)])),
    ).toThrow(expect.objectContaining({ code: 'PW_OP_INPUT' }));
  });
});

describe('ops without a gradient', () => {
  test('are all named at once, unknown ones too', () => {
    expect(() =>
      edit(emptyModule('test'), builtinRegistry, 'test', (editor) => {
        const x = addInput(editor, 'float32[2]');
        const outputs = [{ dtype: 'float32', shape: [2] }] as const;
        const opaque = editor.addNode(
          { op: 'Mystery', name: '</script>', inputs: [x], outputs },
          { reason: 'test' },
        );
        const reduced = addNode(editor, 'AllReduce', [{ node: opaque, port: 0 }, x], {}, [], 'sum');
        const y = forward(editor, 'AddV2', [
          { node: reduced, port: 0 },
          { node: reduced, port: 1 },
        ]);
        gradients(editor, builtinRegistry, [y], [x]);
      }),
    ).toThrow(
      expect.objectContaining({
        code: 'PW_GRADIENT_MISSING',
        message: 'no gradient is known of Mystery (</script>); AllReduce (sum)',
      }),
    );
  });

  test('do not matter off the way', () => {
    const registry = withTwice('none');
    let grads: readonly (TensorRef | null)[] = [];
    edit(emptyModule('test'), registry, 'test', (editor) => {
      const x = addInput(editor, 'float32[2]');
      const constant = forward(editor, 'Twice', [addInput(editor, 'float32[2]')], {}, 'of something else');
      forward(editor, 'Twice', [x], {}, 'unused');
      grads = gradients(editor, registry, [forward(editor, 'Mul', [x, constant])], [x]);
    });
    expect(grads).toEqual([expect.anything()]);
  });
});
