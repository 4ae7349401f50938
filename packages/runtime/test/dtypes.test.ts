import { type AttrInput, builtinRegistry, type DType, type TensorRef, tensorOf } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import type { Emitter, Refusal } from '../src/engines/embedded/emit/context.js';
import { emitters } from '../src/engines/embedded/emit/table.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { type Build, moduleOf } from './build.js';
import { loadInline } from './inline.js';

const IMAGE = [1, 2, 2, 1];
const WINDOW = { ksize: [1, 1, 1, 1], strides: [1, 1, 1, 1], padding: 'VALID' };
const STRIDES = { strides: [1, 1, 1, 1], padding: 'VALID' };
const sizes = (build: Build, ...dims: number[]): TensorRef =>
  build.constant(tensorOf('int32', [dims.length], dims));
const of =
  (...shapes: number[][]) =>
  (build: Build, dtype: DType): TensorRef[] =>
    shapes.map((shape, i) => build.feed(`x${i}`, dtype, shape));

interface Form {
  readonly inputs: (build: Build, dtype: DType) => TensorRef[];
  readonly attrs?: (dtype: DType) => AttrInput;
}

/** A smallest node of each op that is not like others. */
const FORMS: Readonly<Record<string, Form>> = {
  Const: { inputs: () => [], attrs: (dtype) => ({ value: tensorOf(dtype, [2], [1, 0]) }) },
  Reshape: { inputs: (b, d) => [b.feed('x0', d, [2, 2]), sizes(b, 4)] },
  Transpose: { inputs: of([2, 3]), attrs: () => ({ perm: [1, 0] }) },
  Squeeze: { inputs: of([1, 2]), attrs: () => ({ axis: [0] }) },
  ExpandDims: { inputs: of([2]), attrs: () => ({ axis: 0 }) },
  Pad: { inputs: of([2]), attrs: () => ({ paddings: [1, 0] }) },
  Slice: { inputs: of([3]), attrs: () => ({ begin: [1], size: [-1] }) },
  ConcatV2: { inputs: of([2], [3]), attrs: () => ({ axis: 0 }) },
  Split: { inputs: of([4]), attrs: () => ({ axis: 0, num_split: 2 }) },
  BroadcastTo: { inputs: (b, d) => [b.feed('x0', d, [1]), sizes(b, 3)] },
  Cast: { inputs: of([2]), attrs: () => ({ DstT: 'float32' }) },
  ArgMax: { inputs: of([3]), attrs: () => ({ axis: 0 }) },
  OneHot: { inputs: of([3]), attrs: () => ({ depth: 2 }) },
  MatMul: { inputs: of([2, 2], [2, 2]), attrs: () => ({ transpose_b: true }) },
  Sum: { inputs: of([2, 2]), attrs: () => ({ axis: [1] }) },
  Mean: { inputs: of([2, 2]), attrs: () => ({ axis: [1] }) },
  Max: { inputs: of([2, 2]), attrs: () => ({ axis: [1] }) },
  Select: { inputs: (b, d) => [b.feed('x0', 'bool', [2]), ...[1, 2].map((i) => b.feed(`x${i}`, d, [2]))] },
  ClipByValue: { inputs: of([3], [], []) },
  BiasAdd: { inputs: of([2, 2], [2]) },
  BiasAddGrad: { inputs: of([2, 2]) },
  Softmax: { inputs: of([2, 2]) },
  LogSoftmax: { inputs: of([2, 2]) },
  SparseSoftmaxCrossEntropyWithLogits: {
    inputs: (b, d) => [b.feed('x0', d, [2, 4]), b.feed('x1', 'int64', [2])],
  },
  Conv2D: { inputs: of(IMAGE, [1, 1, 1, 1]), attrs: () => STRIDES },
  Conv2DBackpropInput: {
    inputs: (b, d) => [sizes(b, ...IMAGE), b.feed('x1', d, [1, 1, 1, 1]), b.feed('x2', d, IMAGE)],
    attrs: () => STRIDES,
  },
  Conv2DBackpropFilter: {
    inputs: (b, d) => [b.feed('x0', d, IMAGE), sizes(b, 1, 1, 1, 1), b.feed('x2', d, IMAGE)],
    attrs: () => STRIDES,
  },
  MaxPool: { inputs: of(IMAGE), attrs: () => WINDOW },
  MaxPoolGrad: { inputs: of(IMAGE, IMAGE, IMAGE), attrs: () => WINDOW },
  AvgPool: { inputs: of(IMAGE), attrs: () => WINDOW },
  AvgPoolGrad: { inputs: (b, d) => [sizes(b, ...IMAGE), b.feed('x1', d, IMAGE)], attrs: () => WINDOW },
  LRN: { inputs: of(IMAGE) },
  LRNGrad: { inputs: of(IMAGE, IMAGE, IMAGE) },
  FusedBatchNormV3: { inputs: of(IMAGE, [1], [1], [1], [1]) },
  FusedBatchNormGradV3: { inputs: of(IMAGE, IMAGE, [1], [1], [1]) },
};

/** Elements by elements, over as many inputs as the op declares. */
function pointwiseForm(op: string): Form {
  const count = builtinRegistry.ops.get(op)?.inputs.length ?? 1;
  return { inputs: of(...Array.from({ length: count }, () => [3])) };
}

const table: Readonly<Record<string, Emitter | Refusal>> = emitters;
const cases = Object.entries(table).flatMap(([op, found]) =>
  'refused' in found ? [] : found.dtypes.map((dtype) => ({ op, dtype })),
);

describe('the types that each emitter says it takes', () => {
  test.for(cases)('$op on $dtype', async ({ op, dtype }) => {
    const form = FORMS[op] ?? pointwiseForm(op);
    const module = moduleOf((build) => {
      const inputs = form.inputs(build, dtype);
      const { node } = build.op(op, inputs, form.attrs?.(dtype) ?? {});
      const outputs = build.editor
        .node(node)
        .outputs.map((_, port) => [`out${port}`, { node, port }] as const);
      build.entry('step', Object.fromEntries(outputs), []);
    });
    const feeds = new Map(
      (module.entries.step?.feeds ?? []).map(({ name, node }) => {
        const [type] = module.graph.nodes.get(node)?.outputs ?? [];
        const shape = (type?.shape ?? []) as number[];
        const count = shape.reduce((product, dim) => product * dim, 1);
        return [
          name,
          tensorOf(
            type?.dtype ?? dtype,
            shape,
            Array.from({ length: count }, (_, i) => i % 2),
          ),
        ] as const;
      }),
    );
    const session = await loadInline(module);
    try {
      const got = await session.run('step', feeds);
      const want = await (await referenceEngine.load(module)).run('step', feeds);
      for (const [name, { data, shape, dtype: type }] of want) {
        expect(got.get(name)?.shape, name).toEqual(shape);
        expect(got.get(name)?.dtype, name).toBe(type);
        const near = Array.from(got.get(name)?.data as Float32Array, Number);
        Array.from(data as Float32Array, Number).forEach((value, i) => {
          if (Number.isFinite(value)) expect(near[i], `${name}[${i}]`).toBeCloseTo(value, 4);
        });
      }
    } finally {
      await session.close();
    }
  });
});
