import { buildModel, type Node } from '@placewright/ir';
import { expect, test } from 'vitest';
import { type DataName, lookupModel } from '../src/index.js';

/** Ops in which a stage, a module or a block ends, and how the lists below call them. */
const ENDS: ReadonlyMap<string, string> = new Map([
  ['Conv2D', ''],
  ['MaxPool', 'max '],
  ['AvgPool', 'mean '],
  ['ConcatV2', 'concat '],
  ['AddV2', 'sum '],
  ['Mean', 'mean '],
  ['MatMul', 'affine '],
]);

/** Layers are inside of `resnet_v10` and `incept_v3_a0`; what these end in is not within another layer's group. */
const isInner = ({ op, group }: Node): boolean => op !== 'ConcatV2' && /incept_/.test(group);

/** `112x112x64 *2`: shapes after each layer of an image, in order; inside of blocks only what they end in. */
function shapesOf(name: string, data?: DataName): string[] {
  const module = buildModel(lookupModel(name, data).factory());
  const shapes: [string, number][] = [];
  for (const node of module.graph.nodes.values()) {
    const word = ENDS.get(node.op);
    if (node.phase !== 'forward' || word === undefined || isInner(node) || node.group === 'loss') continue;
    if (node.op === 'Conv2D' && node.group.startsWith('resnet_')) continue;
    const shape = `${word}${node.outputs[0]?.shape.slice(1).join('x')}`;
    const last = shapes.at(-1);
    if (last?.[0] === shape) last[1] += 1;
    else shapes.push([shape, 1]);
  }
  return shapes.map(([shape, times]) => (times === 1 ? shape : `${shape} *${times}`));
}

const words = (text: string): string[] => text.trim().split(/\s*,\s*/);

// The sizes that the original's sources and the papers state for their images.
test.each([
  ['trivial', 'affine 1, affine 4096, affine 1001'],
  ['lenet', '28x28x32, max 14x14x32, 14x14x64, max 7x7x64, affine 512, affine 1001'],
  [
    'alexnet',
    `55x55x64, max 27x27x64, 27x27x192, max 13x13x192, 13x13x384 *2, 13x13x256, max 6x6x256, affine 4096 *2, affine 1001`,
  ],
  [
    'overfeat',
    `56x56x96, max 28x28x96, 24x24x256, max 12x12x256, 12x12x512, 12x12x1024 *2, max 6x6x1024, affine 3072, affine 4096,
    affine 1001`,
  ],
  [
    'vgg11',
    `224x224x64, max 112x112x64, 112x112x128, max 56x56x128, 56x56x256 *2, max 28x28x256, 28x28x512 *2, max 14x14x512,
    14x14x512 *2, max 7x7x512, affine 4096 *2, affine 1001`,
  ],
  [
    'vgg16',
    `224x224x64 *2, max 112x112x64, 112x112x128 *2, max 56x56x128, 56x56x256 *3, max 28x28x256, 28x28x512 *3,
    max 14x14x512, 14x14x512 *3, max 7x7x512, affine 4096 *2, affine 1001`,
  ],
  [
    'vgg19',
    `224x224x64 *2, max 112x112x64, 112x112x128 *2, max 56x56x128, 56x56x256 *4, max 28x28x256, 28x28x512 *4,
    max 14x14x512, 14x14x512 *4, max 7x7x512, affine 4096 *2, affine 1001`,
  ],
  [
    'googlenet',
    `112x112x64, max 56x56x64, 56x56x64, 56x56x192, max 28x28x192, concat 28x28x256, concat 28x28x480, max 14x14x480,
    concat 14x14x512 *3, concat 14x14x528, concat 14x14x832, max 7x7x832, concat 7x7x832, concat 7x7x1024, mean 1x1x1024,
    affine 1001`,
  ],
  [
    'inception3',
    `149x149x32, 147x147x32, 147x147x64, max 73x73x64, 73x73x80, 71x71x192, max 35x35x192, concat 35x35x256,
    concat 35x35x288 *2, concat 17x17x768 *5, concat 8x8x1280, concat 8x8x2048 *2, mean 1x1x2048, affine 1001`,
  ],
  [
    'inception4',
    `149x149x32, 147x147x32, 147x147x64, concat 73x73x160, concat 71x71x192, concat 35x35x384 *5, concat 17x17x1024 *8,
    concat 8x8x1536 *4, mean 1536, affine 1001`,
  ],
  [
    'resnet50',
    `112x112x64, max 55x55x64, sum 55x55x256 *3, sum 28x28x512 *4, sum 14x14x1024 *6, sum 7x7x2048 *3, mean 2048,
    affine 1001`,
  ],
  [
    'resnet101_v2',
    `112x112x64, max 55x55x64, sum 55x55x256 *3, sum 28x28x512 *4, sum 14x14x1024 *23, sum 7x7x2048 *3, mean 2048,
    affine 1001`,
  ],
  [
    'resnet152',
    `112x112x64, max 55x55x64, sum 55x55x256 *3, sum 28x28x512 *8, sum 14x14x1024 *36, sum 7x7x2048 *3, mean 2048,
    affine 1001`,
  ],
])('%s has the layers %s', (name, shapes) => {
  expect(shapesOf(name)).toEqual(words(shapes));
});

test('alexnet for CIFAR-10 has its layers', () => {
  expect(shapesOf('alexnet', 'cifar10')).toEqual(
    words('32x32x64, max 16x16x64, 16x16x64, max 8x8x64, affine 384, affine 192, affine 11'),
  );
});

test.each([
  ['resnet20', 3],
  ['resnet110_v2', 18],
])('%s has three stages of %i blocks, the later two behind a pooled shortcut', (name, blocks) => {
  const block = (size: string): string[] =>
    Array<string[]>(blocks)
      .fill([`${size} *2`, `sum ${size}`])
      .flat();
  const [first, second, third] = ['32x32x16', '16x16x32', '8x8x64'].map(block) as [
    string[],
    string[],
    string[],
  ];
  // The layer before the first block is as large as those within.
  const all = [`32x32x16 *3`, ...first.slice(1), 'mean 16x16x16', ...second, 'mean 8x8x32', ...third];
  expect(shapesOf(name)).toEqual([...all, 'mean 64', 'affine 11']);
});
