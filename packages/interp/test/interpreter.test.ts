import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  builtinRegistry,
  extendRegistry,
  type OpDecl,
  PURE,
  type TensorRef,
  type TensorValue,
  toNumbers,
} from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import { createInterpreter, type Kernel } from '../src/index.js';
import { build, errorOf, f32, f64, i32 } from './support.js';

describe('feeds', () => {
  const module = build((graph) => {
    const images = graph.op('Placeholder', [], {
      attrs: { dtype: 'float32', shape: [null, 2] },
      name: 'in/images',
    });
    const unused = graph.op('Placeholder', [], { attrs: { dtype: 'int32', shape: [] }, name: 'in/unused' });
    graph.step([], { y: graph.op('Neg', [images]) }, { images, unused });
  });
  const run = (feeds: Readonly<Record<string, TensorValue>>) => createInterpreter(module).run('step', feeds);
  const good = f32([1, 2], [1, 2]);

  test('a map or a record; what the entry does not need may be left out', () => {
    expect(toNumbers(run({ images: good }).get('y') as TensorValue)).toEqual([-1, -2]);
    expect(
      createInterpreter(module)
        .run('step', new Map([['images', good]]))
        .get('y')?.shape,
    ).toEqual([1, 2]);
  });

  test.each<[string, Readonly<Record<string, TensorValue>>, string]>([
    ['PW_FEED_MISSING', {}, '"images"'],
    ['PW_FEED_UNKNOWN', { images: good, imagse: good }, '"imagse"'],
    ['PW_FEED_DTYPE', { images: f64([1, 2], [1, 2]) }, 'float64'],
    ['PW_FEED_SHAPE', { images: f32([1, 3], [1, 2, 3]) }, '[1, 3]'],
    ['PW_FEED_SHAPE', { images: f32([2], [1, 2]) }, '[2]'],
    [
      'PW_FEED_DATA',
      { images: { dtype: 'float32', shape: [1, 2], data: new Float32Array(3) } },
      '3 elements',
    ],
    ['PW_FEED_DATA', { images: { dtype: 'float32', shape: [1, 2], data: new Int32Array(2) } }, 'Int32Array'],
    ['PW_FEED_DTYPE', { images: good, unused: f32([], [1]) }, 'float32'],
  ])('%s', (code, feeds, text) => {
    const error = errorOf(() => run(feeds));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  test('an unknown name gets the nearest one, a bad value the placeholder', () => {
    expect(errorOf(() => run({ imagse: good })).hint).toContain('"images"');
    expect(errorOf(() => run({ images: i32([1, 2], [1, 2]) })).where.node).toBe('in/images');
  });

  test('a placeholder that the entry does not declare cannot be reached by a fetch', () => {
    const bare = build((graph) => {
      const x = graph.op('Placeholder', [], { attrs: { dtype: 'float32', shape: [] }, name: 'x' });
      graph.step([], { y: graph.op('Neg', [x]) });
    });
    const error = errorOf(() => createInterpreter(bare).run('step'));
    expect([error.code, error.where.node]).toEqual(['PW_FEED_MISSING', 'x']);
  });
});

describe('fetches', () => {
  let side: TensorRef = { node: 'n0', port: 0 };
  const module = build((graph) => {
    const x = graph.constant(f32([2], [1, 2]));
    side = graph.op('Neg', [x], { replica: 1, name: 'side' });
    graph.step([], { x });
  });

  test('further tensors come by their shown name, with what they need', () => {
    const interpreter = createInterpreter(module);
    const out = interpreter.run('step', {}, { fetch: [side] });
    expect([...out.keys()]).toEqual(['x', 'tower_1/side:0']);
    expect(toNumbers(out.get('tower_1/side:0') as TensorValue)).toEqual([-1, -2]);
    expect([...interpreter.run('step').keys()]).toEqual(['x']);
  });

  test('a tensor that does not exist is an error', () => {
    const interpreter = createInterpreter(module);
    for (const fetch of [[{ node: 'n99' as const, port: 0 }], [{ node: side.node, port: 7 }]]) {
      expect(errorOf(() => interpreter.run('step', {}, { fetch })).code).toBe('PW_DANGLING_EDGE');
    }
  });

  test('an entry that is not there is an error that names those that are', () => {
    const error = errorOf(() => createInterpreter(module).run('eval'));
    expect(error.code).toBe('PW_ENTRY_UNKNOWN');
    expect(error.hint).toContain('step');
  });
});

function customOp(op: string): OpDecl {
  return {
    op,
    summary: 'x → 2·x',
    inputs: [{ name: 'x', dtype: 'T' }],
    attrs: {},
    effect: PURE,
    infer: (context) => [context.input(0)],
    gradient: 'none',
  };
}

describe('ops of the user', () => {
  const registry = extendRegistry(builtinRegistry, [
    customOp('Twice'),
    customOp('Thrice'),
    customOp('Unused'),
  ]);
  const module = build((graph) => {
    const x = graph.constant(f32([2], [1, 2]));
    graph.op('Unused', [x]);
    graph.step([], {
      y: graph.op('Thrice', [graph.op('Twice', [x])]),
      z: graph.op('Twice', [x], { name: 'z' }),
    });
  }, registry);
  const times =
    (factor: number): Kernel =>
    (context) => {
      const value = context.input(0);
      return [{ ...value, data: Float32Array.from(value.data as Float32Array, (x) => factor * x) }];
    };

  test('run with the kernels that are given', () => {
    const interpreter = createInterpreter(module, {
      registry,
      kernels: { Twice: times(2), Thrice: times(3) },
    });
    expect(toNumbers(interpreter.run('step').get('y') as TensorValue)).toEqual([6, 12]);
  });

  test('without kernels, all that the entries need are named at once', () => {
    const error = errorOf(() => createInterpreter(module, { registry }));
    expect(error.code).toBe('PW_KERNEL_MISSING');
    expect(error.message).toContain('Thrice, Twice');
    expect(error.message).not.toContain('Unused');
  });

  test('what a kernel throws gets a code and the node', () => {
    const broken: Kernel = () => {
      throw new TypeError('oops');
    };
    const interpreter = createInterpreter(module, { registry, kernels: { Twice: broken, Thrice: times(3) } });
    const error = errorOf(() => interpreter.run('step'));
    expect([error.code, error.where.node]).toEqual(['PW_KERNEL_FAILED', 'Twice']);
    expect(error.message).toContain('oops');
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  test.each<[string, Kernel]>([
    ['another shape', () => [f32([3], [1, 2, 3])]],
    ['another dtype', () => [f64([2], [1, 2])]],
    ['too many', () => [f32([2], [1, 2]), f32([2], [1, 2])]],
    ['none', () => []],
  ])('outputs that are not as declared: %s', (_, kernel) => {
    const interpreter = createInterpreter(module, { registry, kernels: { Twice: kernel, Thrice: times(3) } });
    expect(errorOf(() => interpreter.run('step')).code).toBe('PW_KERNEL_OUTPUT');
  });

  test('a kernel can replace a built-in one', () => {
    const negated = build((graph) => graph.step([], { y: graph.op('Neg', [graph.constant(f32([1], [1]))]) }));
    const out = createInterpreter(negated, { kernels: new Map([['Neg', times(5)]]) }).run('step');
    expect(toNumbers(out.get('y') as TensorValue)).toEqual([5]);
  });
});

describe('size', () => {
  test('a chain of 100,000 nodes', () => {
    const module = build((graph) => {
      let at = graph.constant(f32([], [0]));
      const by = graph.constant(f32([], [1]));
      for (let i = 0; i < 100_000; i++) at = graph.op('AddV2', [at, by], { name: `add${i}` });
      graph.step([], { at });
    });
    const interpreter = createInterpreter(module);
    for (const schedule of [undefined, { seed: 1 }]) {
      const out = interpreter.run('step', {}, schedule === undefined ? {} : { schedule });
      expect(toNumbers(out.get('at') as TensorValue)).toEqual([100_000]);
    }
  });

  test('values are freed when their last consumer has run', () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const length = 2 ** 18;
    const megabytes = (): number => {
      gc();
      return process.memoryUsage().arrayBuffers / 2 ** 20;
    };
    const module = build((graph) => {
      let at = graph.constant(f32([length], new Array<number>(length).fill(1)));
      for (let i = 0; i < 40; i++) at = graph.op('Neg', [at]);
      graph.step([], { probe: graph.op('Square', [at]) });
    });
    const before = megabytes();
    let during = Infinity;
    const probe: Kernel = (context) => {
      during = megabytes();
      return [context.input(0)];
    };
    createInterpreter(module, { kernels: { Square: probe } }).run('step');
    // One megabyte for each of 40 values, if they were kept.
    expect(during - before).toBeLessThan(20);
  });
});
