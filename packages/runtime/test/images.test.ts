import {
  builtinRegistry,
  type DataFormat,
  gradients,
  isFloat,
  type Module,
  type TensorRef,
  type TensorValue,
  tensorOf,
} from '@placewright/ir';
import { mustBeNear, type Tolerance } from '@placewright/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Accumulate } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { type Build, CPU, moduleOf } from './build.js';
import { loadInline } from './inline.js';

// A region keeps images in the layout of ONNX from op to op. What each op makes of them in that layout shows only behind
// another one: chains of ops on images, and their gradients, beside the interpreter.

/** Numbers to choose by, each in its place: an op takes what it needs of them. */
interface Link {
  readonly kind: (typeof KINDS)[number];
  readonly a: number;
  readonly b: number;
}

const KINDS = [
  ...(['conv', 'strided', 'wide', 'bias', 'norm', 'average', 'maximum', 'local', 'relu'] as const),
  ...(['pad', 'slice', 'branches', 'parts', 'residual', 'spatial', 'dropout', 'widened'] as const),
];

const links = fc.record({ kind: fc.constantFrom(...KINDS), a: fc.nat(2), b: fc.nat(2) });

interface Plan {
  readonly format: DataFormat;
  /** Whether the batch is unknown to the compiler. */
  readonly dynamic: boolean;
  readonly chain: readonly Link[];
}

const plans: fc.Arbitrary<Plan> = fc.record({
  format: fc.constantFrom<DataFormat[]>('NHWC', 'NHWC', 'NCHW'),
  dynamic: fc.boolean(),
  chain: fc.array(links, { minLength: 2, maxLength: 6 }),
});

/** A chain while it is being written. */
interface Chain {
  readonly build: Build;
  readonly format: DataFormat;
  readonly values: () => number;
  readonly filters: TensorRef[];
}

function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  };
}

function random(values: () => number, shape: readonly number[]): TensorValue {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return tensorOf('float32', shape, Array.from({ length: count }, values));
}

const inFormat = ({ format }: Chain, [n, h, w, c]: readonly number[]): number[] =>
  format === 'NHWC' ? [n ?? 1, h ?? 1, w ?? 1, c ?? 1] : [n ?? 1, c ?? 1, h ?? 1, w ?? 1];

/** Height, width and channels. */
function sizesOf(chain: Chain, x: TensorRef): [number, number, number] {
  const [, a = 1, b = 1, c = 1] = chain.build.editor.type(x).shape.map((dim) => dim ?? 1);
  return chain.format === 'NHWC' ? [a, b, c] : [b, c, a];
}

function weights(chain: Chain, ...shape: number[]): TensorRef {
  const ref = chain.build.constant(random(chain.values, shape));
  chain.filters.push(ref);
  return ref;
}

function conv(chain: Chain, x: TensorRef, size: readonly [number, number], stride: number): TensorRef {
  const [, , channels] = sizesOf(chain, x);
  return chain.build.op('Conv2D', [x, weights(chain, ...size, channels, 3)], {
    strides: inFormat(chain, [1, stride, stride, 1]),
    padding: 'SAME',
    data_format: chain.format,
  });
}

function pool(chain: Chain, op: string, x: TensorRef, size: number, stride: number): TensorRef {
  return chain.build.op(op, [x], {
    ksize: inFormat(chain, [1, size, size, 1]),
    strides: inFormat(chain, [1, stride, stride, 1]),
    padding: 'SAME',
    data_format: chain.format,
  });
}

/** Four numbers, or two for each of four dimensions, all as `rest` but for the axis. */
const along = (axis: number, at: readonly number[], rest: readonly number[]): number[] =>
  Array.from({ length: 4 }, (_, i) => (i === axis ? at : rest)).flat();

/** The next op, with a number of the link for what it can do in several ways. */
const NEXT: Readonly<Record<Link['kind'], (chain: Chain, x: TensorRef, link: Link) => TensorRef>> = {
  conv: (chain, x, { a }) => conv(chain, x, [1 + a, 1 + a], 1),
  strided: (chain, x, { a }) => conv(chain, x, [1 + a, 3], 2),
  wide: (chain, x, { a }) => conv(chain, x, a === 0 ? [1, 5] : [5, 1], 1),
  bias: (chain, x) => {
    const [, , channels] = sizesOf(chain, x);
    return chain.build.op('BiasAdd', [x, weights(chain, channels)], { data_format: chain.format });
  },
  norm: (chain, x, { a }) => {
    const [, , channels] = sizesOf(chain, x);
    const given = [weights(chain, channels), chain.build.constant(positive(chain, channels))];
    const inputs = [x, weights(chain, channels), weights(chain, channels), ...given];
    const attrs = { epsilon: 0.1, is_training: a > 0, data_format: chain.format };
    return chain.build.op('FusedBatchNormV3', inputs, attrs);
  },
  average: (chain, x, { a, b }) => pool(chain, 'AvgPool', x, 1 + a, 1 + b),
  maximum: (chain, x, { a, b }) => pool(chain, 'MaxPool', x, 1 + a, 1 + b),
  local: ({ build }, x, { a }) =>
    build.op('LRN', [x], { depth_radius: a, bias: 1, alpha: 0.5, beta: a === 1 ? 0.5 : 0.75 }),
  relu: ({ build }, x) => build.op('Relu', [x]),
  pad: ({ build }, x, { a, b }) => build.op('Pad', [x], { paddings: along(a + 1, [b, 2 - b], [0, 0]) }),
  slice: ({ build }, x, { a, b }) => {
    const size = build.editor.type(x).shape[a + 1] ?? 1;
    const begin = Math.min(b, size - 1);
    return build.op('Slice', [x], { begin: along(a + 1, [begin], [0]), size: along(a + 1, [-1], [-1]) });
  },
  branches: (chain, x, { a }) => {
    const axis = chain.format === 'NHWC' ? 3 : 1;
    const sides = [conv(chain, x, [1, 1], 1), a > 0 ? pool(chain, 'AvgPool', x, 3, 1) : x];
    return chain.build.op('ConcatV2', sides, { axis: a > 1 ? axis - 4 : axis });
  },
  parts: ({ build }, x, { a }) => {
    const axis = a + 1;
    const size = build.editor.type(x).shape[axis] ?? 1;
    const { node } = build.op('Split', [x], { axis, num_split: size });
    const all = Array.from({ length: size }, (_, port) => ({ node, port }));
    return build.op('ConcatV2', all.reverse(), { axis });
  },
  residual: (chain, x) => {
    const y = conv(chain, x, [3, 3], 1);
    return chain.build.op('AddV2', [y, chain.build.op('Relu', [y])]);
  },
  spatial: ({ build, format }, x) => {
    const axis = format === 'NHWC' ? [1, 2] : [2, 3];
    return build.op('Sub', [x, build.op('Mean', [x], { axis, keep_dims: true })]);
  },
  dropout: ({ build }, x) => {
    const seed = build.constant({ dtype: 'int64', shape: [2], data: BigInt64Array.of(3n, -4n) });
    const uniform = build.op('StatelessRandomUniformV2', [build.op('Shape', [x]), seed], { seed: 5 });
    const keep = build.constant(tensorOf('float32', [], [0.75]));
    const mask = build.op('Floor', [build.op('AddV2', [keep, uniform])]);
    return build.op('Mul', [build.op('RealDiv', [x, keep]), mask]);
  },
  widened: ({ build }, x) =>
    build.op('Cast', [build.op('Cast', [x], { DstT: 'float64' })], { DstT: 'float32' }),
};

function positive({ values }: Chain, channels: number): TensorValue {
  return tensorOf(
    'float32',
    [channels],
    Array.from({ length: channels }, () => 1.5 + values()),
  );
}

const IMAGES = [2, 6, 5, 4];

/** Fetches the end of the chain, and gradients of a weighted sum of it by the images and all weights. */
function moduleOfPlan(plan: Plan): { module: Module; feeds: Map<string, TensorValue> } {
  const values = xorshift(7);
  const feeds = new Map<string, TensorValue>();
  const module = moduleOf((build) => {
    const chain: Chain = { build, format: plan.format, values, filters: [] };
    const shape = inFormat(chain, IMAGES);
    feeds.set('x', random(values, shape));
    const x = build.feed('x', 'float32', plan.dynamic ? [null, ...shape.slice(1)] : shape);
    const y = plan.chain.reduce((at, link) => NEXT[link.kind](chain, at, link), x);
    const dims = build.editor.type(y).shape.map((dim) => dim ?? 1);
    const product = build.op('Mul', [y, build.constant(random(values, dims))]);
    const loss = build.op('Sum', [product], { axis: [0, 1, 2, 3] });
    const by = [x, ...chain.filters];
    const found = gradients(build.editor, builtinRegistry, [loss], by);
    for (const [id, { device }] of build.editor.graph.nodes)
      if (device === '') build.editor.updateNode(id, { device: CPU }, { reason: 'test' });
    const fetched = found.flatMap((tensor, i) => (tensor === null ? [] : [[`grad${i}`, tensor] as const]));
    build.entry('step', { y, ...Object.fromEntries(fetched) }, []);
  });
  return { module, feeds };
}

async function compare(plan: Plan, accumulate: Accumulate, tolerance: Tolerance): Promise<void> {
  const { module, feeds } = moduleOfPlan(plan);
  const want = await (await referenceEngine.load(module)).run('step', feeds);
  const session = await loadInline(module, { accumulate });
  try {
    const got = await session.run('step', feeds);
    for (const [name, value] of want) {
      expect(isFloat(value.dtype)).toBe(true);
      mustBeNear(name, got.get(name), value, tolerance);
    }
  } finally {
    await session.close();
  }
}

describe('ops on images one after the other', () => {
  test('every op behind a convolution', async () => {
    for (const kind of KINDS) {
      for (const a of [0, 1, 2]) {
        const chain = [
          { kind: 'conv', a: 0, b: 0 } as const,
          { kind, a, b: 1 },
          { kind: 'conv', a: 1, b: 0 } as const,
        ];
        await compare({ format: 'NHWC', dynamic: a === 1, chain }, 'float32', {
          relative: 1e-4,
          absolute: 1e-5,
        });
      }
    }
  });

  test('random chains', async () => {
    const property = fc.asyncProperty(plans, (plan) =>
      compare(plan, 'float32', { relative: 5e-4, absolute: 2e-5 }),
    );
    await fc.assert(property, { seed: 11, numRuns: 60 });
  });

  test('random chains with sums in float64', async () => {
    const property = fc.asyncProperty(plans, (plan) =>
      compare(plan, 'float64', { relative: 2e-5, absolute: 1e-6 }),
    );
    await fc.assert(property, { seed: 12, numRuns: 40 });
  });
});
