import { buildModel, defineModel, type Module } from '@placewright/ir';
import { expect, test } from 'vitest';
import {
  affine,
  apool,
  batchNorm,
  conv,
  type Floats,
  type LayerContext,
  type LayerContextOptions,
  layerContext,
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
});
