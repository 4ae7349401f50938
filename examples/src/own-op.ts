/**
 * An op of one's own with its gradient, run by both engines: a declaration says what the op is, a kernel how the reference
 * engine computes it, an emitter how the embedded engine writes it in ONNX.
 *
 *     node examples/dist/own-op.js
 */
import {
  builtinRegistry,
  compile,
  defineModel,
  type EmitContext,
  emitter,
  extendRegistry,
  type Feeds,
  findEngine,
  type Kernel,
  type LoadOptions,
  type OpDecl,
  train,
} from 'placewright';

/** log(1 + exp(x)), whose derivative is the sigmoid of x. */
const softplus: OpDecl = {
  op: 'Softplus',
  summary: 'log(1 + exp(x)), element by element',
  inputs: [{ name: 'x', dtype: ['float32'] }],
  attrs: {},
  effect: { kind: 'pure' },
  infer: ({ input }) => [input(0)],
  gradient: ({ inputs, grad, op }) => {
    const [slope] = op('Sigmoid', inputs);
    return [op('Mul', [grad(0), slope])[0]];
  },
};

const kernel: Kernel = ({ input }) => {
  const { shape, data } = input(0);
  const of = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  return [{ dtype: 'float32', shape, data: Float32Array.from(data as Float32Array, of) }];
};

const onnx = emitter('Softplus', ['float32'], (context: EmitContext) => {
  context.set(0, context.builder.op('Softplus', [context.input(0)]));
});

/** What an engine needs to know of the op; each takes its own part. */
export const ownOps = {
  registry: extendRegistry(builtinRegistry, [softplus]),
  kernels: new Map([[softplus.op, kernel]]),
  emitters: new Map([[softplus.op, onnx]]),
} satisfies LoadOptions;

const model = defineModel({
  name: 'soft',
  inputs: { x: { dtype: 'float32', shape: [2] }, y: { dtype: 'float32', shape: [1] } },
  build(b, { x, y }) {
    const hidden = b.matMul(x, b.variable('inner', { shape: [2, 8] }).value);
    const soft = b.op('Softplus', [hidden], { dtype: 'float32' });
    const guess = b.matMul(soft, b.variable('outer', { shape: [8, 1] }).value);
    return { loss: b.mean(b.square(b.sub(guess, y))) };
  },
});

/** Points of the square, and the product of their coordinates. */
function* products(): Generator<Feeds> {
  const points = Array.from({ length: 16 }, (_, i) => [(i % 4) / 2 - 0.75, Math.floor(i / 4) / 2 - 0.75]);
  const x = Float32Array.from(points.flat());
  const y = Float32Array.from(points, ([a = 0, b = 0]) => a * b);
  while (true) {
    yield new Map([
      ['x', { dtype: 'float32', shape: [16, 2], data: x }],
      ['y', { dtype: 'float32', shape: [16, 1], data: y }],
    ]);
  }
}

/** Trains on two towers; gives the loss of each step. */
export async function trainOwnOp(engine: string, steps: number, options: LoadOptions = ownOps) {
  const { registry } = ownOps;
  const training = {
    optimizer: { kind: 'sgd', learningRate: 0.1 },
    weightDecay: 0,
    clip: { kind: 'none' },
  } as const;
  const { module } = compile(model, {
    strategy: 'replicated',
    numGpus: 2,
    reduction: 'mean',
    registry,
    training,
  });
  const session = await findEngine(engine).load(module, options);
  try {
    const { reports } = await train(session, { module, steps, feeds: products() });
    return reports.map(({ loss }) => loss);
  } finally {
    await session.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  for (const engine of ['reference', 'embedded']) {
    const losses = await trainOwnOp(engine, 100);
    console.log(`${engine}: the loss goes from ${losses[0]?.toFixed(4)} to ${losses.at(-1)?.toFixed(4)}`);
  }
}
