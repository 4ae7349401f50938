import { buildModel, defineModel, getAttr, type Module, nodeName } from '@placewright/ir';
import { expect, test } from 'vitest';
import {
  affine,
  apool,
  batchNorm,
  conv,
  dropout,
  type Floats,
  inceptionModule,
  type LayerContext,
  type LayerContextOptions,
  layerContext,
  lrn,
  spatialMean,
} from '../src/index.js';
import { codeOf } from './errors.js';

/** A module of an 8×8×3 image and those layers. */
function build(body: (layers: LayerContext, x: Floats) => Floats, options: LayerContextOptions = {}): Module {
  return buildModel(
    defineModel({
      name: 'm',
      inputs: { images: { dtype: 'float32', shape: [8, 8, 3] } },
      build: (b, { images }) => ({ loss: b.mean(body(layerContext(b, options), images)) }),
    }),
  );
}

/** Names of the variables, without `global_step`, which every module has. */
const names = (module: Module): string[] =>
  [...module.resources.values()].map(({ name }) => name).filter((name) => name !== 'global_step');
const training = (module: Module) =>
  [...module.graph.nodes.values()].filter((node) => node.phase === 'forward');
const shapeAfter = (module: Module, op: string) =>
  training(module).find((node) => node.op === op)?.outputs[0]?.shape;

test('layers of a kind are numbered over the whole graph, whatever group they are in', () => {
  const module = build((layers, x) => {
    const inner = layers.b.group('block', () => conv(layers, x, { filters: 2, size: 1 }));
    return conv(layers, inner, { filters: 2, size: 1 });
  });
  expect(names(module)).toEqual([
    'block/conv0/conv2d/kernel',
    'block/conv0/biases',
    'conv1/conv2d/kernel',
    'conv1/biases',
  ]);
});

test('batch normalisation has no gamma unless it is scaled, as in tf_cnn_benchmarks', () => {
  const module = build((layers, x) => conv(layers, x, { filters: 2, size: 1 }), { batchNorm: {} });
  expect(names(module)).toEqual([
    'conv0/conv2d/kernel',
    'conv0/batchnorm0/beta',
    'conv0/batchnorm0/moving_mean',
    'conv0/batchnorm0/moving_variance',
  ]);
  const norm = training(module).find((node) => node.op === 'FusedBatchNormV3');
  expect(norm?.attrs.get('epsilon')?.value).toBe(0.001);
});

test('a layer can go its own way from the context', () => {
  const biases = build((layers, x) => conv(layers, x, { filters: 2, size: 1, batchNorm: null }), {
    batchNorm: {},
  });
  expect(names(biases)).toEqual(['conv0/conv2d/kernel', 'conv0/biases']);
  const scaled = build((layers, x) => batchNorm(layers, x, { scale: true }));
  expect(names(scaled)).toContain('batchnorm0/gamma');
});

test('kernels and strides take two numbers, pools step by 2', () => {
  const strided = build((layers, x) =>
    conv(layers, x, { filters: 5, size: [3, 1], strides: [2, 4], padding: 'VALID' }),
  );
  expect(shapeAfter(strided, 'Conv2D')).toEqual([null, 3, 2, 5]);
  const pooled = build((layers, x) => apool(layers, x, { size: 3 }));
  expect(shapeAfter(pooled, 'AvgPool')).toEqual([null, 3, 3, 3]);
});

test('batch normalisation on its own has the defaults, whatever the context says of its convolutions', () => {
  const options = { batchNorm: { scale: true, epsilon: 1e-5 } };
  const module = build((layers, x) => batchNorm(layers, conv(layers, x, { filters: 2, size: 1 })), options);
  expect(names(module).filter((name) => name.endsWith('gamma'))).toEqual(['conv0/batchnorm0/gamma']);
  const norms = training(module).filter((node) => node.op === 'FusedBatchNormV3');
  expect(norms.map((node) => node.attrs.get('epsilon')?.value)).toEqual([1e-5, 0.001]);
});

test.each(['NHWC', 'NCHW'] as const)('SAME_RESNET pads by the kernel where it steps, in %s', (dataFormat) => {
  const options = { filters: 4, size: 4, strides: 2, padding: 'SAME_RESNET', bias: null } as const;
  const module = build(
    (layers, x) => {
      const images = dataFormat === 'NHWC' ? x : layers.b.transpose(x, [0, 3, 1, 2]);
      return conv(layers, conv(layers, images, options), { ...options, strides: 1 });
    },
    { dataFormat },
  );
  const [pad, ...others] = training(module).filter((node) => node.op === 'Pad');
  const [around, none] = [
    [1, 2],
    [0, 0],
  ];
  const paddings = dataFormat === 'NHWC' ? [none, around, around, none] : [none, none, around, around];
  expect(pad?.attrs.get('paddings')?.value).toEqual(paddings.flat());
  expect(others).toEqual([]);
  const convolutions = training(module).filter((node) => node.op === 'Conv2D');
  expect(convolutions.map((node) => node.attrs.get('padding')?.value)).toEqual(['VALID', 'SAME']);
  expect(convolutions.map((node) => node.outputs[0]?.shape)).toEqual(Array(2).fill([null, 4, 4, 4]));
  expect(names(module)).toEqual(['conv0/conv2d/kernel', 'conv1/conv2d/kernel']);
});

test('a convolution takes a deviation and a bias of its own', () => {
  const module = build((layers, x) => conv(layers, x, { filters: 2, size: 3, stddev: 0.05, bias: 0.1 }));
  const starts = [...module.graph.nodes.values()].filter(
    (node) => node.phase === 'init' && node.variable?.startsWith('conv') && node.op !== 'AssignVariableOp',
  );
  expect(
    starts.map(({ op, attrs }) => [op, attrs.get('stddev')?.value ?? attrs.get('value')?.value]),
  ).toEqual([
    ['StatelessTruncatedNormal', 0.05],
    ['Fill', 0.1],
  ]);
});

test.each(['NHWC', 'NCHW'] as const)(
  'an inception module puts its columns side by side, in %s',
  (dataFormat) => {
    const layer = { kind: 'conv', size: 1, bias: null } as const;
    const module = build(
      (layers, x) => {
        const images = dataFormat === 'NHWC' ? x : layers.b.transpose(x, [0, 3, 1, 2]);
        const columns = [
          [{ ...layer, filters: 2 }],
          [
            { ...layer, filters: 3 },
            { ...layer, filters: 4 },
          ],
          [{ kind: 'share' }, { ...layer, filters: 5 }],
          [{ kind: 'mpool', size: 3, strides: 1, padding: 'SAME' }],
        ] as const;
        return inceptionModule(layers, 'incept', inceptionModule(layers, 'incept', images, columns), columns);
      },
      { dataFormat },
    );
    const channels = (list: (number | null)[] | undefined) => list?.[dataFormat === 'NHWC' ? 3 : 1];
    const concats = training(module).filter((node) => node.op === 'ConcatV2');
    expect(concats.map((node) => channels(node.outputs[0]?.shape.slice()))).toEqual([14, 25]);
    // The third column starts from the first layer of the second one.
    const sharing = training(module)
      .filter((node) => node.op === 'Conv2D')
      .slice(0, 4);
    expect(sharing[3]?.inputs[0]).toEqual(sharing[2]?.inputs[0]);
    // Modules of a kind have one name, and layers are numbered on.
    expect(names(module)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((n) => `incept0/conv${n}/conv2d/kernel`));
  },
);

test.each(['NHWC', 'NCHW'] as const)('lrn runs over the channels in %s', (dataFormat) => {
  const options = { depthRadius: 1, bias: 1, alpha: 0.5, beta: 0.75 };
  const module = build(
    (layers, x) => {
      const images = dataFormat === 'NHWC' ? x : layers.b.transpose(x, [0, 3, 1, 2]);
      return lrn(layers, images, options);
    },
    { dataFormat },
  );
  const node = training(module).find(({ op }) => op === 'LRN');
  expect(node?.outputs[0]?.shape).toEqual([null, 8, 8, 3]);
  expect(node?.attrs.get('depth_radius')?.value).toBe(1);
  expect(training(module).filter(({ op }) => op === 'Transpose')).toHaveLength(dataFormat === 'NHWC' ? 0 : 3);
});

test.each(['NHWC', 'NCHW'] as const)('spatialMean leaves the channels, in %s', (dataFormat) => {
  const module = build(
    (layers, x) => {
      const images = dataFormat === 'NHWC' ? x : layers.b.transpose(x, [0, 3, 1, 2]);
      return spatialMean(layers, images);
    },
    { dataFormat },
  );
  expect(shapeAfter(module, 'Mean')).toEqual([null, 3]);
});

test('real dropout draws by the step and the tower, in training alone', () => {
  const module = build((layers, x) => dropout(layers, dropout(layers, x), { keep: 0.8 }), {
    realDropout: true,
  });
  const nodes = [...module.graph.nodes.values()];
  const draws = nodes.filter((node) => node.op === 'StatelessRandomUniformV2');
  expect(draws.map((node) => nodeName(node))).toEqual(['dropout0/random_uniform', 'dropout1/random_uniform']);
  expect(draws.map((node) => node.phase)).toEqual(['forward', 'forward']);
  const [first, second] = draws.map((node) => getAttr(node, 'seed', 'int'));
  expect(first).not.toBe(second);
  const reads = nodes.filter((node) => node.variable === 'global_step' && node.op === 'ReadVariableOp');
  expect(reads).toHaveLength(1);
  // No variable is added: what a checkpoint holds is the same with dropout and without.
  expect(names(module)).toEqual([]);
});

test('dropout drops nothing unless asked to, as in tf_cnn_benchmarks', () => {
  const counts = [false, true].map((dropping) => {
    const module = build((layers, x) => (dropping ? dropout(layers, x) : x));
    return module.graph.nodes.size;
  });
  expect(counts[0]).toBe(counts[1]);
  expect(codeOf(() => build((layers, x) => dropout(layers, x, { keep: 0 })))).toBe('PW_MODEL_LAYER');
});

test.each([
  ['relu', ['Relu']],
  ['tanh', ['Tanh']],
  ['linear', []],
] as const)('activation %s', (activation, ops) => {
  const module = build((layers, x) => conv(layers, x, { filters: 1, size: 1, activation }));
  expect(
    training(module)
      .map((node) => node.op)
      .filter((op) => op === 'Relu' || op === 'Tanh'),
  ).toEqual(ops);
});

test('affine layers take a deviation and a bias of their own', () => {
  const module = build((layers, x) =>
    affine(layers, layers.b.flatten(x), { units: 2, stddev: 0.25, bias: 0.5 }),
  );
  const starts = [...module.graph.nodes.values()].filter(
    (node) => node.phase === 'init' && node.variable?.startsWith('affine') && node.op !== 'AssignVariableOp',
  );
  expect(starts.map(({ attrs }) => attrs.get('stddev')?.value ?? attrs.get('value')?.value)).toEqual([
    0.25, 0.5,
  ]);
});

test('layers refuse what they cannot take', () => {
  expect(codeOf(() => build((layers, x) => affine(layers, x, { units: 2 })))).toBe('PW_MODEL_LAYER');
  expect(codeOf(() => build((layers, x) => conv(layers, layers.b.flatten(x), { filters: 1, size: 1 })))).toBe(
    'PW_MODEL_LAYER',
  );
  expect(codeOf(() => build((layers, x) => inceptionModule(layers, 'm', x, [])))).toBe('PW_MODEL_LAYER');
  expect(codeOf(() => build((layers, x) => inceptionModule(layers, 'm', x, [[{ kind: 'share' }]])))).toBe(
    'PW_MODEL_LAYER',
  );
  expect(codeOf(() => build((layers, x) => lrn(layers, layers.b.flatten(x), LRN)))).toBe('PW_MODEL_LAYER');
});

const LRN = { depthRadius: 1, bias: 1, alpha: 1, beta: 0.5 };
