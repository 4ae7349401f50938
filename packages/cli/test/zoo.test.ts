import {
  buildModel,
  builtinRegistry,
  LOCAL_TASK,
  localCluster,
  type Module,
  type TensorValue,
} from '@placewright/ir';
import { batches, type DataName, lookupModel, MODELS, synthetic } from '@placewright/models';
import { autodiff, compile, rolesOf } from '@placewright/passes';
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
