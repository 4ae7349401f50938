import { conv } from '../layers/conv.js';
import { dropout } from '../layers/dropout.js';
import { type Column, inceptionModule } from '../layers/inception.js';
import { spatialMean } from '../layers/pool.js';
import { type ImageModel, imageClassifier, type ModelOptions } from './classifier.js';
import { APOOL, column, conv2d, MPOOL_HALF, SHARE } from './columns.js';
import { INCEPTION_INPUT, INCEPTION_MIN } from './inception3.js';

/** tf_cnn_benchmarks' Inception v4: batch normalisation without gamma, and dropout that keeps 0.8 at the end. */
export function inception4(options: ModelOptions = {}): ImageModel {
  return imageClassifier(
    {
      name: 'inception4',
      defaults: INCEPTION_INPUT,
      minImageSize: INCEPTION_MIN,
      batchNorm: {},
      features: (layers, images) => {
        let x = conv(layers, images, { filters: 32, size: 3, strides: 2, padding: 'VALID' });
        x = conv(layers, x, { filters: 32, size: 3, padding: 'VALID' });
        x = conv(layers, x, { filters: 64, size: 3 });
        for (const [kind, times] of MODULES)
          for (let i = 0; i < times; i++) x = inceptionModule(layers, `incept_v4_${kind}`, x, COLUMNS[kind]);
        return dropout(layers, spatialMean(layers, x), { keep: 0.8 });
      },
    },
    options,
  );
}

/** The modules in their order: three of the stem, then each kind with the reduction behind it. */
const MODULES = [
  ['sa', 1],
  ['sb', 1],
  ['sc', 1],
  ['a', 4],
  ['ra', 1],
  ['b', 7],
  ['rb', 1],
  ['c', 3],
] as const;

const COLUMNS: Readonly<Record<(typeof MODULES)[number][0], readonly Column[]>> = {
  sa: [column(MPOOL_HALF), column(conv2d(96, 3, 'half'))],
  sb: [
    column(conv2d(64, 1), conv2d(96, 3, 'valid')),
    column(conv2d(64, 1), conv2d(64, [7, 1]), conv2d(64, [1, 7]), conv2d(96, 3, 'valid')),
  ],
  sc: [column(conv2d(192, 3, 'half')), column(MPOOL_HALF)],
  a: [
    column(APOOL, conv2d(96, 1)),
    column(conv2d(96, 1)),
    column(conv2d(64, 1), conv2d(96, 3)),
    column(conv2d(64, 1), conv2d(96, 3), conv2d(96, 3)),
  ],
  ra: [
    column(MPOOL_HALF),
    column(conv2d(384, 3, 'half')),
    column(conv2d(192, 1), conv2d(224, 3), conv2d(256, 3, 'half')),
  ],
  b: [
    column(APOOL, conv2d(128, 1)),
    column(conv2d(384, 1)),
    column(conv2d(192, 1), conv2d(224, [1, 7]), conv2d(256, [7, 1])),
    column(
      conv2d(192, 1),
      conv2d(192, [1, 7]),
      conv2d(224, [7, 1]),
      conv2d(224, [1, 7]),
      conv2d(256, [7, 1]),
    ),
  ],
  rb: [
    column(MPOOL_HALF),
    column(conv2d(192, 1), conv2d(192, 3, 'half')),
    column(conv2d(256, 1), conv2d(256, [1, 7]), conv2d(320, [7, 1]), conv2d(320, 3, 'half')),
  ],
  c: [
    column(APOOL, conv2d(256, 1)),
    column(conv2d(256, 1)),
    column(conv2d(384, 1), conv2d(256, [1, 3])),
    column(SHARE, conv2d(256, [3, 1])),
    column(conv2d(384, 1), conv2d(448, [1, 3]), conv2d(512, [3, 1]), conv2d(256, [3, 1])),
    column(SHARE, SHARE, SHARE, conv2d(256, [1, 3])),
  ],
};
