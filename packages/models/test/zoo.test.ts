import { buildModel, getAttr, type Module, type Node, nodeName } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import {
  inception3,
  lenet,
  lookupModel,
  MODELS,
  type ModelOptions,
  mlp,
  tiny,
  tinybn,
} from '../src/index.js';
import { codeOf, thrown } from './errors.js';
import { RECORDED, type Recorded } from './recorded.js';

/** The model's own variables, without `global_step`, which every module has. */
const variablesOf = (module: Module): Recorded[] =>
  [...module.resources.values()].flatMap((resource) =>
    resource.kind === 'variable' && resource.name !== 'global_step'
      ? [[resource.name, resource.shape as number[], resource.trainable]]
      : [],
  );

const nodesOf = (module: Module, op: string): Node[] =>
  [...module.graph.nodes.values()].filter((node) => node.op === op);

describe.each([...RECORDED])('recorded %s', (name, recorded) => {
  const { factory } = lookupModel(name);

  test.each(['NHWC', 'NCHW'] as const)('has the recorded variables in %s', (dataFormat) => {
    expect(variablesOf(buildModel(factory({ dataFormat })))).toEqual(recorded);
  });
});

/** Images as small as each model takes, where that is more than 16 pixels. */
const LEAST: Readonly<Record<string, number>> = {
  alexnet: 67,
  overfeat: 71,
  vgg11: 32,
  vgg16: 32,
  vgg19: 32,
  inception3: 75,
  inception4: 75,
};

const ENTRIES = MODELS.map((entry) => ({ ...entry, title: `${entry.name} of ${entry.input.imageSize}` }));

describe.each(ENTRIES)('$title', ({ factory, input, name }) => {
  test.each(['NHWC', 'NCHW'] as const)('builds in %s with what it promises', (dataFormat) => {
    const module = buildModel(factory({ dataFormat }));
    const { init, step, eval: evaluate } = module.entries;
    expect(module.name).toBe(name);
    expect(step?.feeds.map((feed) => feed.name)).toEqual(['images', 'labels']);
    expect(step?.fetches.map((fetch) => fetch.name)).toEqual(['loss', 'correctCount']);
    expect(evaluate?.fetches.map((fetch) => fetch.name)).toEqual(['loss', 'correctCount', 'logits']);
    expect(init?.rounds.flat()).toHaveLength(variablesOf(module).length + 1);
    const logits = evaluate?.fetches[2]?.tensor;
    expect(module.graph.nodes.get(logits?.node ?? 'n0')?.outputs[logits?.port ?? 0]).toEqual({
      dtype: 'float32',
      shape: [null, input.classes],
    });
  });

  const least = input.imageSize === 32 ? 16 : (LEAST[name] ?? 16);

  test(`takes other images, from ${least} pixels`, () => {
    const options: ModelOptions = { imageSize: least, channels: 1, classes: 5 };
    const [images] = nodesOf(buildModel(factory(options)), 'Placeholder');
    expect(images?.outputs[0]?.shape).toEqual([null, least, least, 1]);
    expect(variablesOf(buildModel(factory(options))).at(-1)?.[1]).toEqual([5]);
    if (least > 16) expect(codeOf(() => factory({ imageSize: least - 1 }))).toBe('PW_MODEL_OPTION');
  });
});

test('data formats differ by one transposition of the images in each graph and by the layout of the layers', () => {
  const nhwc = buildModel(tiny());
  const nchw = buildModel(tiny({ dataFormat: 'NCHW' }));
  expect(nodesOf(nhwc, 'Transpose')).toHaveLength(0);
  expect(nodesOf(nchw, 'Transpose').map((node) => node.outputs[0]?.shape)).toEqual([
    [null, 3, 12, 12],
    [null, 3, 12, 12],
  ]);
  expect(nodesOf(nchw, 'Conv2D').map((node) => node.attrs.get('data_format')?.value)).toEqual(
    Array(4).fill('NCHW'),
  );
  expect(nodesOf(nchw, 'MaxPool').map((node) => node.outputs[0]?.shape)).toEqual(
    [
      [8, 6, 6],
      [16, 3, 3],
      [8, 6, 6],
      [16, 3, 3],
    ].map((dims) => [null, ...dims]),
  );
});

describe('batch normalisation', () => {
  const module = buildModel(tinybn());
  const norms = nodesOf(module, 'FusedBatchNormV3');
  const name = (node: Node): string => nodeName(node);

  test('normalises by the batch in training and by the moving averages elsewhere', () => {
    expect(norms.map((node) => [name(node), node.attrs.get('is_training')?.value])).toEqual([
      ['conv0/batchnorm0/FusedBatchNormV3', true],
      ['conv1/batchnorm1/FusedBatchNormV3', true],
      ['eval/conv0/batchnorm0/FusedBatchNormV3', false],
      ['eval/conv1/batchnorm1/FusedBatchNormV3', false],
    ]);
    const given = norms[2]?.inputs.slice(3).map((ref) => module.graph.nodes.get(ref.node)?.variable);
    expect(given).toEqual(['conv0/batchnorm0/moving_mean', 'conv0/batchnorm0/moving_variance']);
  });

  test('moves its averages by the batch, the variance by the unbiased one, in every step', () => {
    const updates = nodesOf(module, 'AssignSubVariableOp');
    expect(updates.map((node) => node.variable)).toEqual(
      ['0', '1'].flatMap((i) => ['mean', 'variance'].map((what) => `conv${i}/batchnorm${i}/moving_${what}`)),
    );
    expect(module.entries.step?.rounds.flat()).toEqual(
      expect.arrayContaining(updates.map((node) => node.id)),
    );
    const sources = updates.map((update) => {
      const product = module.graph.nodes.get(update.inputs[0]?.node ?? 'n0');
      return module.graph.nodes.get(product?.inputs[0]?.node ?? 'n0')?.inputs[1];
    });
    expect(sources).toEqual([1, 2, 1, 2].map((port, i) => ({ node: norms[i >> 1]?.id, port })));
    const shares = nodesOf(module, 'Const').filter((node) => name(node).includes('/decay'));
    expect(shares.map((node) => getAttr(node, 'value', 'tensor').data[0])).toEqual(
      Array(4).fill(Math.fround(1 - 0.9)),
    );
  });
});

test('weights start as in tf_cnn_benchmarks', () => {
  const module = buildModel(tinybn());
  const starts = nodesOf(module, 'AssignVariableOp').map((node) => {
    const value = module.graph.nodes.get(node.inputs[0]?.node ?? 'n0');
    return [node.variable, value?.op, value?.attrs.get('value')?.value ?? value?.attrs.get('stddev')?.value];
  });
  expect(starts.filter(([name]) => name !== 'global_step' && !String(name).startsWith('conv1'))).toEqual([
    ['conv0/conv2d/kernel', 'StatelessRandomUniform', undefined],
    ['conv0/batchnorm0/beta', 'Fill', 0],
    ['conv0/batchnorm0/gamma', 'Fill', 1],
    ['conv0/batchnorm0/moving_mean', 'Fill', 0],
    ['conv0/batchnorm0/moving_variance', 'Fill', 1],
    ['affine0/weights', 'StatelessTruncatedNormal', Math.sqrt(2 / 144)],
    ['affine0/biases', 'Fill', 0],
    ['affine1/weights', 'StatelessTruncatedNormal', Math.sqrt(1 / 32)],
    ['affine1/biases', 'Fill', 0],
  ]);
});

test('inception3 can have its auxiliary classifier, whose loss counts 0.4', () => {
  const plain = variablesOf(buildModel(inception3()));
  const module = buildModel(inception3({ auxiliary: true, imageSize: 299 }));
  const added = variablesOf(module).filter(([name]) => !plain.some(([other]) => other === name));
  // Numbers of the layers behind it move on, so that the names of two modules are new as well.
  expect(variablesOf(module)).toHaveLength(plain.length + 10);
  expect(added.filter(([name]) => /^(conv|affine)/.test(name)).map(([name, shape]) => [name, shape])).toEqual(
    [
      ['conv70/conv2d/kernel', [1, 1, 768, 128]],
      ['conv70/batchnorm70/beta', [128]],
      ['conv70/batchnorm70/moving_mean', [128]],
      ['conv70/batchnorm70/moving_variance', [128]],
      ['conv71/conv2d/kernel', [5, 5, 128, 768]],
      ['conv71/batchnorm71/beta', [768]],
      ['conv71/batchnorm71/moving_mean', [768]],
      ['conv71/batchnorm71/moving_variance', [768]],
      ['affine1/weights', [768, 1001]],
      ['affine1/biases', [1001]],
    ],
  );
  const small = variablesOf(buildModel(inception3({ auxiliary: true, imageSize: 107 })));
  expect(small.find(([name]) => name === 'conv71/conv2d/kernel')?.[1]).toEqual([1, 1, 128, 768]);
  expect(codeOf(() => inception3({ auxiliary: true, imageSize: 106 }))).toBe('PW_MODEL_OPTION');
  const share = nodesOf(module, 'Const').find((node) => node.group === 'loss');
  expect(share && getAttr(share, 'value', 'tensor').data[0]).toBe(Math.fround(0.4));
});

test('mlp takes any hidden layers', () => {
  const shapes = variablesOf(buildModel(mlp({ hidden: [7, 5], imageSize: 2 }))).map(([, shape]) => shape);
  expect(shapes).toEqual([[4, 7], [7], [7, 5], [5], [5, 10], [10]]);
  expect(variablesOf(buildModel(mlp({ hidden: [] })))).toHaveLength(2);
  expect(codeOf(() => mlp({ hidden: [3, 0] }))).toBe('PW_MODEL_OPTION');
});

test.each([
  [{ imageSize: 0 }],
  [{ classes: 1.5 }],
  [{ channels: Number.NaN }],
  [{ classes: 2 ** 40 }],
  [{ dataFormat: 'NHCW' as 'NHWC' }],
])('options %j are refused', (options) => {
  expect(codeOf(() => lenet(options))).toBe('PW_MODEL_OPTION');
});

test('a data set chooses among models of one name, and says no to a model that is not for it', () => {
  expect(lookupModel('alexnet').input.imageSize).toBe(227);
  expect(lookupModel('alexnet', 'imagenet').batchSize).toBe(512);
  expect(lookupModel('alexnet', 'cifar10')).toMatchObject({
    batchSize: 128,
    learningRate: 0.1,
    input: { imageSize: 32, channels: 3, classes: 11 },
  });
  expect(lookupModel('resnet20').input.classes).toBe(11);
  expect(lookupModel('tiny', 'imagenet').name).toBe('tiny');
  expect(codeOf(() => lookupModel('resnet20', 'imagenet'))).toBe('PW_MODEL_DATA');
  const { code, hint } = thrown(() => lookupModel('resnet50', 'cifar10'));
  expect(code).toBe('PW_MODEL_DATA');
  expect(hint).toContain('trivial, alexnet, resnet20, resnet20_v2');
});

test('an unknown model is refused with the nearest name, and a hostile one like any other', () => {
  expect(thrown(() => lookupModel('lenett')).hint).toBe('did you mean lenet?');
  expect(codeOf(() => lookupModel('__proto__'))).toBe('PW_MODEL_UNKNOWN');
});
