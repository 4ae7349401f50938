import {
  builtinRegistry,
  type DType,
  type Effect,
  extendRegistry,
  type OpDecl,
  type PlacewrightError,
  tensorOf,
} from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import type { LoadOptions } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { emitter, type Kernel } from '../src/own-ops.js';
import { type Build, CPU, floats, moduleOf } from './build.js';
import { loadInline } from './inline.js';

const own = (op: string, effect: Effect = { kind: 'pure' }): OpDecl => ({
  op,
  summary: 'a test',
  inputs: [{ name: 'x', dtype: 'T' }],
  attrs: {},
  effect,
  infer: ({ input }) => [input(0)],
  gradient: 'none',
});

const registry = extendRegistry(builtinRegistry, [own('Ceiling'), own('Effectful', { kind: 'communicate' })]);
const ceiling = emitter('Ceil', ['float32'], (context) => {
  context.set(0, context.builder.op('Ceil', [context.input(0)]));
});
const kernel: Kernel = ({ input }) => {
  const { shape, data } = input(0);
  return [{ dtype: 'float32', shape, data: Float32Array.from(data as Float32Array, Math.ceil) }];
};
const options: LoadOptions = {
  registry,
  kernels: new Map([['Ceiling', kernel]]),
  emitters: new Map([['Ceiling', ceiling]]),
};

/** −op(x) of the elements' type. */
const around =
  (op: string, dtype: DType = 'float32') =>
  (b: Build): void => {
    const x = b.feed('x', dtype, [2]);
    b.entry('step', { y: b.op('Neg', [b.op(op, [x], {}, { name: 'mine' })]) }, []);
  };
const moduleWith = (op: string, dtype?: DType) => moduleOf(around(op, dtype), registry);
const feeds = new Map([['x', floats(0.25, -1.5)]]);

describe('an op of one’s own', () => {
  test.for([
    ['reference', referenceEngine.load],
    ['embedded', loadInline],
  ] as const)('runs on the %s engine, beside built-in ones', async ([, load]) => {
    const session = await load(moduleWith('Ceiling'), options);
    const got = await session.run('step', feeds, { fetch: ['mine:0'] });
    expect([...(got.get('y')?.data ?? [])].map(Number)).toEqual([-1, 1]);
    expect([...(got.get('mine:0')?.data ?? [])].map(Number)).toEqual([1, -1]);
    await session.close();
  });

  test('may stand in the place of a built-in one', async () => {
    const module = moduleOf((b) => b.entry('step', { y: b.op('Abs', [b.feed('x', 'float32', [2])]) }, []));
    const instead = { kernels: new Map([['Abs', kernel]]), emitters: new Map([['Abs', ceiling]]) };
    for (const load of [referenceEngine.load, loadInline]) {
      const session = await load(module, instead);
      expect([...((await session.run('step', feeds)).get('y')?.data ?? [])].map(Number)).toEqual([1, -1]);
      await session.close();
    }
  });

  const refusedBy = (loaded: Promise<unknown>): Promise<PlacewrightError> =>
    loaded.then(
      () => {
        throw new Error('nothing was refused');
      },
      (error: PlacewrightError) => error,
    );

  test('without its kernel or emitter is refused by name, with what to give', async () => {
    const module = moduleWith('Ceiling');
    const reference = await refusedBy(referenceEngine.load(module, { registry }));
    expect([reference.code, reference.where.node]).toEqual(['PW_KERNEL_MISSING', 'mine']);
    expect(reference.hint).toContain('kernels');
    const embedded = await refusedBy(loadInline(module, { registry, kernels: options.kernels ?? new Map() }));
    expect([embedded.code, embedded.where.node]).toEqual(['PW_ENGINE_OP', 'mine']);
    expect(embedded.message).toMatch(/Ceiling, an op of your own without an ONNX emitter.*emitters \(mine\)/);
  });

  test('is refused on types that its emitter does not say', async () => {
    const error = await refusedBy(loadInline(moduleWith('Ceiling', 'float64'), options));
    expect(error.message).toContain('Ceiling on float64 (mine)');
  });

  test('with effects is refused by the embedded engine, emitter or not', async () => {
    const emitters = new Map([['Effectful', ceiling]]);
    const error = await refusedBy(loadInline(moduleWith('Effectful'), { registry, emitters }));
    expect(error).toMatchObject({ code: 'PW_ENGINE_OP', where: { node: 'mine' } });
    expect(error.message).toContain('an emitter is for pure ops alone');
  });
});

test('a kernel’s own fault has a code and the node', async () => {
  const kernels = new Map<string, Kernel>([['Ceiling', () => [tensorOf('float32', [3], [1, 2, 3])]]]);
  const session = await referenceEngine.load(moduleWith('Ceiling'), { registry, kernels });
  await expect(session.run('step', feeds)).rejects.toThrow(
    expect.objectContaining({ code: 'PW_KERNEL_OUTPUT', where: { node: 'mine' } }),
  );
  expect(session.bindings.map(({ device }) => device)).toEqual([CPU]);
});
