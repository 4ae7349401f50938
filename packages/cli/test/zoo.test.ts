import {
  buildModel,
  builtinRegistry,
  defineModel,
  LOCAL_TASK,
  localCluster,
  type Module,
  type TensorValue,
  tensorOf,
} from '@placewright/ir';
import {
  batches,
  type DataName,
  dropout,
  layerContext,
  lookupModel,
  MODELS,
  synthetic,
} from '@placewright/models';
import { autodiff, type CompileOptions, compile, rolesOf } from '@placewright/passes';
import { findEngine } from '@placewright/runtime';
import { describe, expect, test } from 'vitest';

// The whole zoo takes minutes: PLACEWRIGHT_ZOO=all npx vitest run --project cli packages/cli/test/zoo.test.ts

const WHOLE = process.env.PLACEWRIGHT_ZOO === 'all';
const SITE = { registry: builtinRegistry, cluster: localCluster({ numGpus: 1 }), task: LOCAL_TASK };
const CLASSES = 10;

/** Own names of the variables that are trained. */
const trainables = (module: Module): string[] =>
  [...module.resources.values()].flatMap((r) => (r.kind === 'variable' && r.trainable ? [r.name] : []));

const titled = MODELS.map((entry) => ({ ...entry, title: `${entry.name} of ${entry.input.imageSize}` }));

test.each(titled)('$title has a gradient for every variable that is trained', ({ factory }) => {
  const source = buildModel(factory());
  const { module } = autodiff.run(source, { weightDecay: 4e-5 }, SITE);
  expect(rolesOf(module, 'gradient').map(({ variable }) => variable)).toEqual(trainables(source));
});

/** A model with small images, in a batch that leaves its last batch normalisation more than a few values. */
type Case = readonly [name: string, imageSize: number, batchSize: number, dataName?: DataName];

const QUICK: readonly Case[] = [
  ['lenet', 8, 2],
  ['trivial', 8, 2],
  ['alexnet', 16, 2, 'cifar10'],
  ['resnet20', 8, 4],
  ['resnet20_v2', 8, 4],
  ['googlenet', 32, 2],
  ['resnet50_v2', 33, 8],
  ['inception3', 75, 4],
];
const SLOW: readonly Case[] = [
  ['alexnet', 67, 2],
  ['overfeat', 71, 2],
  ['vgg11', 32, 2],
  ['vgg16', 32, 2],
  ['vgg19', 32, 2],
  ['inception4', 75, 4],
  ['resnet50', 48, 8],
  ['resnet101', 48, 8],
  ['resnet101_v2', 48, 8],
  ['resnet152', 48, 8],
  ['resnet152_v2', 48, 8],
  ...([32, 44, 56, 110] as const).flatMap((depth): Case[] => [
    [`resnet${depth}`, 16, 4],
    [`resnet${depth}_v2`, 16, 4],
  ]),
];

const CASES = (WHOLE ? [...QUICK, ...SLOW] : QUICK).map((given) => ({
  given,
  title: `${given[0]} with images of ${given[1]} pixels`,
}));

describe('a step and an evaluation after it', () => {
  test.each(CASES)(
    'of $title are the same on both engines',
    async ({ given }) => {
      const [reference, embedded] = [await trained('reference', given), await trained('embedded', given)];
      expect(reference.losses.every(Number.isFinite)).toBe(true);
      for (const [i, loss] of reference.losses.entries())
        expect(Math.abs((embedded.losses[i] ?? 0) / loss - 1)).toBeLessThan(NEAR);
      for (const name of reference.floats) {
        const [before, after] = [floats(reference.before, name), floats(reference.after, name)];
        const moved = distance(before, after);
        expect(moved, `${name} stays`).toBeGreaterThan(0);
        expect(distance(after, floats(embedded.after, name)) / moved, name).toBeLessThan(NEAR);
      }
    },
    WHOLE ? 600_000 : 60_000,
  );
});

/** What is left of ones, 40 a row, after dropout. */
const dropping = defineModel({
  name: 'dropping',
  inputs: { ones: { dtype: 'float32', shape: [40] } },
  build: (b, { ones }) => {
    const layers = layerContext(b, { realDropout: true });
    const weights = b.variable('weights', { shape: [40], initializer: { kind: 'ones' } });
    const left = dropout(layers, b.mul(ones, weights.value), { keep: 0.8 });
    return { loss: b.mean(left), metrics: { left } };
  },
});

describe('real dropout', () => {
  const feeds = new Map([['ones', tensorOf('float32', [4, 40], new Float32Array(160).fill(1))]]);

  /** Rows that are left in three steps over two towers, two rows each. */
  async function rowsLeft(options: Omit<CompileOptions, 'training'>, engine: string): Promise<string[]> {
    const optimizer = { kind: 'sgd', learningRate: 0 } as const;
    const training = { optimizer, weightDecay: 0, clip: { kind: 'none' } } as const;
    const { module } = compile(dropping, { ...options, numGpus: 2, training });
    const session = await findEngine(engine).load(module);
    const rows: string[] = [];
    for (const entry of ['init', 'postInit', 'warmUp', 'step', 'step', 'step'] as const) {
      const { feeds: fed = [] } = module.entries[entry] ?? {};
      if (module.entries[entry] === undefined) continue;
      const fetched = await session.run(entry, fed.length === 0 ? new Map() : feeds);
      if (entry !== 'step') continue;
      const left = floats(fetched, 'left');
      for (let row = 0; row < 4; row++) rows.push(left.slice(row * 40, row * 40 + 40).join(' '));
    }
    await session.close();
    return rows;
  }

  test.each([
    { strategy: 'independent' },
    { strategy: 'replicated' },
    { strategy: 'parameter_server' },
    { strategy: 'parameter_server', stagedVars: true },
  ] as const)('drops others on every row, tower and step, the same on both engines: %j', async (options) => {
    const rows = await rowsLeft(options, 'reference');
    expect(rows).toHaveLength(12);
    expect(new Set(rows).size).toBe(12);
    const left = rows.flatMap((row) => row.split(' ').map(Number));
    expect(new Set(left)).toEqual(new Set([0, 1.25]));
    // 480 draws: 0.8 within four standard deviations.
    expect(Math.abs(left.filter((x) => x > 0).length / left.length - 0.8)).toBeLessThan(0.073);
    expect(await rowsLeft(options, 'embedded')).toEqual(rows);
    expect(await rowsLeft({ ...options, seed: 1 }, 'reference')).not.toEqual(rows);
  });

  test('drops nothing in inference', async () => {
    const { module } = compile(dropping, { strategy: 'parameter_server', numGpus: 2 });
    const session = await findEngine('reference').load(module);
    await session.run('init');
    expect(new Set(floats(await session.run('eval', feeds), 'left'))).toEqual(new Set([1]));
    await session.close();
  });
});

/** Share by which losses and moves may differ: they do by single bits, in sums of other orders. */
const NEAR = 1e-4;

/** Euclidean. */
function distance(x: Float32Array, y: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += ((x[i] as number) - (y[i] as number)) ** 2;
  return Math.sqrt(sum);
}

function floats(values: Variables, name: string): Float32Array {
  const data = values.get(name)?.data;
  if (!(data instanceof Float32Array)) throw new Error(`${name} has no floats`);
  return data;
}

type Variables = ReadonlyMap<string, TensorValue>;

/** Losses of a step and of an evaluation after it, and the variables before and after the step. */
async function trained(engine: string, [name, imageSize, batchSize, dataName]: Case) {
  const model = lookupModel(name, dataName).factory({ imageSize, classes: CLASSES });
  const optimizer = { kind: 'sgd', learningRate: 1e-3 } as const;
  const { module } = compile(model, {
    strategy: 'parameter_server',
    training: { optimizer, weightDecay: 4e-5, clip: { kind: 'none' } },
  });
  const images = synthetic({ imageShape: [imageSize, imageSize, 3], classes: CLASSES, train: batchSize });
  const [batch] = batches(images.train, { batchSize });
  const feeds = new Map(Object.entries(batch ?? {}));
  // With sums in float64, both engines round alike: deep networks make large differences of small ones.
  const session = await findEngine(engine).load(module, { accumulate: 'float64' });
  try {
    await session.run('init');
    const before = await session.readVariables();
    const step = await session.run('step', feeds);
    const after = await session.readVariables();
    const evaluation = await session.run('eval', feeds);
    const losses = [step, evaluation].map((fetched) => Number(fetched.get('loss')?.data[0]));
    return { losses, before, after, floats: [...after.keys()].filter((key) => key !== 'global_step') };
  } finally {
    await session.close();
  }
}
