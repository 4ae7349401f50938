import {
  buildModel,
  DEFAULT_TRAINING,
  defineModel,
  localCluster,
  type ModelBuilder,
  type Module,
  type Tensor,
  type TensorValue,
  tensorOf,
} from '@placewright/ir';
import { compile, findStrategy } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import type { Session } from '../src/engine.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { loadInline } from './inline.js';

const KEEP = 0.75;
const [ROWS, COLUMNS] = [4, 64];

type Floats = Tensor<'float32'>;

/** int64[2]: how often the graph has run, counted in a variable, and zero. */
function stepSeed(b: ModelBuilder): Tensor {
  const counter = b.variable('counter', { shape: [1], initializer: { kind: 'zeros' }, trainable: false });
  const next = b.add(
    counter.value,
    b.value(tensorOf('float32', [1], [1]) as TensorValue & { dtype: 'float32' }),
  );
  b.assignSub(counter, b.sub(counter.value, next));
  const zero = b.value(tensorOf('float32', [1], [0]) as TensorValue & { dtype: 'float32' });
  return b.cast(b.op('ConcatV2', [counter.value, zero], { attrs: { axis: 0 } }), 'int64');
}

/** x/keep where keep + u ≥ 1, with u in [0, 1). */
function dropout(b: ModelBuilder, x: Floats): Floats {
  const attrs = { seed: 9 };
  const shape = b.op('Shape', [x]);
  const u = b.op('StatelessRandomUniformV2', [shape, stepSeed(b)], { attrs, dtype: 'float32' });
  const keep = b.constant(KEEP);
  const mask = b.op('Floor', [b.add(u, keep)], { dtype: 'float32' });
  return b.mul(b.div(x, keep), mask);
}

const model = defineModel({
  name: 'dropping',
  inputs: { x: { dtype: 'float32', shape: [COLUMNS] } },
  build: (b, { x }) => {
    const w = b.variable('w', { shape: [COLUMNS], initializer: { kind: 'constant', value: 1 } });
    const dropped = b.training ? dropout(b, b.mul(x, w.value)) : b.mul(x, w.value);
    return { loss: b.mean(dropped), metrics: {} };
  },
});

const feeds = new Map([
  ['x', tensorOf('float32', [ROWS, COLUMNS], new Array<number>(ROWS * COLUMNS).fill(1))],
]);

function lowered(strategy: string, numGpus: number): Module {
  const training = { ...DEFAULT_TRAINING, optimizer: { kind: 'sgd', learningRate: COLUMNS } } as const;
  const source = buildModel(model, { training });
  return compile(source, {
    strategy: findStrategy(strategy),
    cluster: localCluster({ numGpus }),
    target: { collectives: 'nccl' },
  }).module;
}

/** Losses of some steps, and the weights after each. */
async function trained(session: Session): Promise<{ losses: number[]; weights: TensorValue[] }> {
  const losses: number[] = [];
  const weights: TensorValue[] = [];
  await session.run('init');
  for (let step = 0; step < 4; step++) {
    losses.push(Number((await session.run('step', feeds)).get('loss')?.data[0]));
    const [variable] = [...(await session.readVariables())].flatMap(([name, value]) =>
      name.endsWith('w') ? [value] : [],
    );
    if (variable !== undefined) weights.push(variable);
  }
  await session.close();
  return { losses, weights };
}

describe('dropout, made of the random op', () => {
  test.for([
    ['independent', 1],
    ['parameter_server', 2],
    ['replicated', 2],
  ] as const)('drops the same on both engines: %s with %i towers', async ([strategy, towers]) => {
    const module = lowered(strategy, towers);
    const want = await trained(await referenceEngine.load(module));
    const got = await trained(await loadInline(module, { accumulate: 'float64' }));
    got.losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(want.losses[i] ?? Number.NaN, 6);
    });
    expect(got.weights.map(({ data }) => [...data])).toEqual(want.weights.map(({ data }) => [...data]));
    // Other values are dropped each step.
    expect(new Set(want.losses).size).toBe(want.losses.length);
  });

  test('gives gradients to what it keeps, and keeps its share', async () => {
    const { losses, weights } = await trained(await referenceEngine.load(lowered('independent', 1)));
    const after = weights[0]?.data as Float32Array;
    // A value that is kept adds 1/keep/rows to the gradient, and a learning rate of COLUMNS takes away the rest.
    const kept = [...after].map((weight) => (1 - weight) * ROWS * KEEP);
    for (const count of kept) expect(count).toBeCloseTo(Math.round(count), 4);
    const share = kept.reduce((sum, count) => sum + count, 0) / (ROWS * COLUMNS);
    expect(share).toBeGreaterThan(KEEP - 0.1);
    expect(share).toBeLessThan(KEEP + 0.1);
    expect(losses[0]).toBeCloseTo(share / KEEP, 5);
  });
});
