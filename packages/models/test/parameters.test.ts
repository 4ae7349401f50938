import { buildModel, elementCount } from '@placewright/ir';
import { expect, test } from 'vitest';
import { type DataName, lookupModel, type ModelOptions } from '../src/index.js';

interface Counts {
  readonly trained: number;
  /** The trained ones of normalisations that have no gamma: as many gammas are missing. */
  readonly missingGammas: number;
}

function count(name: string, options: ModelOptions = {}, data?: DataName): Counts {
  const counts = { trained: 0, missingGammas: 0 };
  const { resources } = buildModel(lookupModel(name, data).factory(options));
  const names = new Set([...resources.values()].map((resource) => resource.name));
  for (const resource of resources.values()) {
    if (resource.kind !== 'variable' || !resource.trainable) continue;
    const size = elementCount(resource.shape) ?? 0;
    counts.trained += size;
    const gamma = resource.name.replace(/beta$/, 'gamma');
    if (gamma !== resource.name && !names.has(gamma)) counts.missingGammas += size;
  }
  return counts;
}

const trained = (...args: Parameters<typeof count>): number => count(...args).trained;

/** As published, with 1000 classes: tf_cnn_benchmarks has one more, which is a row of the last layer and its bias. */
function expectPublished(name: string, published: number, features: number): void {
  expect(trained(name, { classes: 1000 })).toBe(published);
  expect(trained(name)).toBe(published + features + 1);
}

test.each([
  ['mlp', 101_770],
  ['tiny', 6_395],
  ['tinybn', 6_419],
  ['trivial', 4_263_877],
])('%s has %i parameters', (name, parameters) => {
  expect(trained(name)).toBe(parameters);
});

test('lenet has the 1,663,370 parameters that are published for TensorFlow’s MNIST tutorial, for its images', () => {
  // McMahan et al. 2017, section 3: "1,663,370 total parameters".
  expect(trained('lenet', { channels: 1, classes: 10 })).toBe(1_663_370);
});

test.each([
  // Simonyan and Zisserman 2014, table 2 (133, 138, 144 million); exactly as in torchvision.
  ['vgg11', 132_863_336, 4096],
  ['vgg16', 138_357_544, 4096],
  ['vgg19', 143_667_240, 4096],
  // Krizhevsky 2014 (one tower), in torchvision 61,100,840. There the fourth convolution has 256 filters and here 384,
  // so that it has 128 filters more and the fifth 128 inputs more.
  ['alexnet', 61_100_840 + 128 * (9 * 384 + 1) + 256 * 9 * 128, 4096],
  // Sermanet et al. 2014, table 4: 145 million for the fast model; this is the sum over its table 1, with biases.
  ['overfeat', 145_920_872, 4096],
  // Szegedy et al. 2014: 6.8 million in table 1, without biases; exactly as in Caffe's bvlc_googlenet, without its two
  // auxiliary classifiers.
  ['googlenet', 6_998_552, 1024],
  // He et al. 2015 (25.6, 44.5, 60.2 million); exactly as in torchvision.
  ['resnet50', 25_557_032, 2048],
  ['resnet101', 44_549_160, 2048],
  ['resnet152', 60_192_808, 2048],
] as const)('%s has the published %i parameters', expectPublished);

test.each([
  // Szegedy et al. 2015 (23.8 million); torchvision's without its auxiliary classifier: 27,161,264 − 3,326,696.
  ['inception3', 23_834_568, 2048],
  // Szegedy et al. 2016, as in timm.
  ['inception4', 42_679_816, 1536],
] as const)(
  '%s has the published %i parameters, less the gammas that it lacks',
  (name, published, features) => {
    expectPublished(name, published - count(name).missingGammas, features);
  },
);

/** Channels that go into the blocks of a ResNet of bottlenecks, and those that come out. */
function channels(blocks: readonly number[]): { ins: number; outs: number; last: number } {
  const outs = blocks.flatMap((n, stage) => Array<number>(n).fill(256 * 2 ** stage));
  const sum = (list: readonly number[]): number => list.reduce((a, n) => a + n, 0);
  return { ins: 64 + sum(outs.slice(0, -1)), outs: sum(outs), last: 2048 };
}

test.each([
  ['resnet50_v2', [3, 4, 6, 3], 25_568_360],
  ['resnet101_v2', [3, 4, 23, 3], 44_577_896],
  ['resnet152_v2', [3, 8, 36, 3], 60_236_904],
] as const)(
  '%s has the parameters of the published one, normalised as the original does',
  (name, blocks, keras) => {
    // Trained ones of Keras Applications' ResNet v2. It has biases in the first convolution (64), where the original has
    // beta and gamma (128), in the widening ones (3840) and in the last of each block.
    const { ins, outs, last } = channels(blocks);
    expect(count(name).missingGammas).toBe(ins + last);
    expectPublished(name, keras - 64 + 128 - 3840 - outs - (ins + last), 2048);
  },
);

test.each([
  // He et al. 2015, table 6 (0.27, 0.46, 0.66, 0.85, 1.7 million), with shortcuts that have no parameters.
  ['resnet20', 269_722],
  ['resnet32', 464_154],
  ['resnet44', 658_586],
  ['resnet56', 853_018],
  ['resnet110', 1_727_962],
] as const)('%s has the published %i parameters', (name, published) => {
  expect(trained(name, { classes: 10 })).toBe(published);
  expect(trained(name)).toBe(published + 65);
  // v2: the second convolution of a block has no normalisation behind it, the block one without gamma before it.
  const perStage = (Number(name.slice('resnet'.length)) - 2) / 6;
  const outs = perStage * (16 + 32 + 64);
  const ins = outs - 64 + 16;
  expect(trained(`${name}_v2`, { classes: 10 })).toBe(published - 2 * outs + ins + 64);
  expect(count(`${name}_v2`).missingGammas).toBe(ins + 64);
});

test('trivial for CIFAR-10 has fewer inputs and classes', () => {
  const inputs = 32 * 32 * 3;
  expect(trained('trivial', {}, 'cifar10')).toBe(inputs + 1 + 2 * 4096 + 4097 * 11);
});

test('alexnet for CIFAR-10 has the 1,068,298 parameters that TensorFlow’s tutorial states, for its cut images', () => {
  expect(trained('alexnet', { imageSize: 24, classes: 10 }, 'cifar10')).toBe(1_068_298);
  expect(trained('alexnet', {}, 'cifar10')).toBe(1_068_298 + (8 * 8 - 6 * 6) * 64 * 384 + 193);
});
