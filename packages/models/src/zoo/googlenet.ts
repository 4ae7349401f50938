import type { Floats, LayerContext } from '../layers/context.js';
import { conv } from '../layers/conv.js';
import { inceptionModule } from '../layers/inception.js';
import { apoolWhole, mpool } from '../layers/pool.js';
import { type ImageModel, imageClassifier, imagenetInput, type ModelOptions } from './classifier.js';

export const GOOGLENET_INPUT = imagenetInput(224);

/** Filters of the 1×1, the 3×3 behind its reduction, the 5×5 behind its, and the 1×1 behind the pool. */
type Filters = readonly [number, readonly [number, number], readonly [number, number], number];

const HALVES = { size: 3, padding: 'SAME' } as const;
const STAGES: readonly (readonly Filters[])[] = [
  [
    [64, [96, 128], [16, 32], 32],
    [128, [128, 192], [32, 96], 64],
  ],
  [
    [192, [96, 208], [16, 48], 64],
    [160, [112, 224], [24, 64], 64],
    [128, [128, 256], [24, 64], 64],
    [112, [144, 288], [32, 64], 64],
    [256, [160, 320], [32, 128], 128],
  ],
  [
    [256, [160, 320], [32, 128], 128],
    [384, [192, 384], [48, 128], 128],
  ],
];

/** tf_cnn_benchmarks' GoogLeNet: nine inception modules, with neither the auxiliary classifiers nor dropout. */
export function googlenet(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'googlenet',
      defaults: GOOGLENET_INPUT,
      features: (layers, images) => {
        let x = conv(layers, images, { filters: 64, size: 7, strides: 2 });
        x = mpool(layers, x, HALVES);
        x = conv(layers, x, { filters: 64, size: 1 });
        x = conv(layers, x, { filters: 192, size: 3 });
        for (const stage of STAGES) {
          x = mpool(layers, x, HALVES);
          for (const filters of stage) x = inceptionV1(layers, x, filters);
        }
        return apoolWhole(layers, x);
      },
    },
    options,
  );
}

function inceptionV1(layers: LayerContext, x: Floats, [k, [l, m], [n, p], q]: Filters): Floats {
  return inceptionModule(layers, 'incept_v1', x, [
    [{ kind: 'conv', filters: k, size: 1 }],
    [
      { kind: 'conv', filters: l, size: 1 },
      { kind: 'conv', filters: m, size: 3 },
    ],
    [
      { kind: 'conv', filters: n, size: 1 },
      { kind: 'conv', filters: p, size: 5 },
    ],
    [
      { kind: 'mpool', size: 3, strides: 1, padding: 'SAME' },
      { kind: 'conv', filters: q, size: 1 },
    ],
  ]);
}
