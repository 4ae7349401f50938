import { type Floats, imageDims, type LayerContext } from '../layers/context.js';
import { conv } from '../layers/conv.js';
import { type Column, inceptionModule } from '../layers/inception.js';
import { apool, apoolWhole, mpool } from '../layers/pool.js';
import { type ImageModel, imageClassifier, imagenetInput, type ModelOptions } from './classifier.js';
import { APOOL, column, conv2d, MPOOL_HALF, SHARE } from './columns.js';

export const INCEPTION_INPUT = imagenetInput(299);
/** Smallest image that is more than nothing at the end of the stem and the two halvings. */
export const INCEPTION_MIN = 75;
/** Smallest image of which the auxiliary classifier's first window, 5×5, finds as much in the middle. */
const AUXILIARY_MIN = 107;

export interface Inception3Options extends ModelOptions {
  /** The auxiliary classifier, whose loss counts 0.4; off in tf_cnn_benchmarks. */
  readonly auxiliary?: boolean;
}

/** tf_cnn_benchmarks' Inception v3: batch normalisation without gamma, eleven modules. */
export function inception3({ auxiliary = false, ...options }: Inception3Options = {}): ImageModel {
  return imageClassifier(
    {
      name: 'inception3',
      defaults: INCEPTION_INPUT,
      minImageSize: auxiliary ? AUXILIARY_MIN : INCEPTION_MIN,
      batchNorm: {},
      features: (layers, images) => {
        const stem = stemV3(layers, images);
        let x = [32, 64, 64].reduce((y, n) => inceptionModule(layers, 'incept_v3_a', y, columnsA(n)), stem);
        x = inceptionModule(layers, 'incept_v3_b', x, COLUMNS_B);
        for (const n of [128, 160, 160, 192]) x = inceptionModule(layers, 'incept_v3_c', x, columnsC(n));
        const aux = auxiliary ? auxiliaryArm(layers, x) : null;
        x = inceptionModule(layers, 'incept_v3_d', x, COLUMNS_D);
        for (const pool of ['apool', 'mpool'] as const)
          x = inceptionModule(layers, 'incept_v3_e', x, columnsE(pool));
        return { features: apoolWhole(layers, x), aux };
      },
    },
    options,
  );
}

function stemV3(layers: LayerContext, images: Floats): Floats {
  let x = conv(layers, images, { filters: 32, size: 3, strides: 2, padding: 'VALID' });
  x = conv(layers, x, { filters: 32, size: 3, padding: 'VALID' });
  x = conv(layers, x, { filters: 64, size: 3 });
  x = mpool(layers, x, { size: 3 });
  x = conv(layers, x, { filters: 80, size: 1, padding: 'VALID' });
  x = conv(layers, x, { filters: 192, size: 3, padding: 'VALID' });
  return mpool(layers, x, { size: 3 });
}

/** Its last convolution is over what is left of the image: 5×5 at the original's size. */
function auxiliaryArm(layers: LayerContext, x: Floats): Floats {
  const pooled = apool(layers, x, { size: 5, strides: 3 });
  const narrow = conv(layers, pooled, { filters: 128, size: 1 });
  const { height, width } = imageDims(layers, narrow);
  const whole = { size: [height, width], padding: 'VALID' } as const;
  return layers.b.flatten(conv(layers, narrow, { ...whole, filters: 768, stddev: 0.01 }));
}

const columnsA = (n: number): readonly Column[] => [
  column(conv2d(64, 1)),
  column(conv2d(48, 1), conv2d(64, 5)),
  column(conv2d(64, 1), conv2d(96, 3), conv2d(96, 3)),
  column(APOOL, conv2d(n, 1)),
];

const COLUMNS_B: readonly Column[] = [
  column(conv2d(384, 3, 'half')),
  column(conv2d(64, 1), conv2d(96, 3), conv2d(96, 3, 'half')),
  column(MPOOL_HALF),
];

const columnsC = (n: number): readonly Column[] => [
  column(conv2d(192, 1)),
  column(conv2d(n, 1), conv2d(n, [1, 7]), conv2d(192, [7, 1])),
  column(conv2d(n, 1), conv2d(n, [7, 1]), conv2d(n, [1, 7]), conv2d(n, [7, 1]), conv2d(192, [1, 7])),
  column(APOOL, conv2d(192, 1)),
];

const COLUMNS_D: readonly Column[] = [
  column(conv2d(192, 1), conv2d(320, 3, 'half')),
  column(conv2d(192, 1), conv2d(192, [1, 7]), conv2d(192, [7, 1]), conv2d(192, 3, 'half')),
  column(MPOOL_HALF),
];

const columnsE = (pool: 'apool' | 'mpool'): readonly Column[] => [
  column(conv2d(320, 1)),
  column(conv2d(384, 1), conv2d(384, [1, 3])),
  column(SHARE, conv2d(384, [3, 1])),
  column(conv2d(448, 1), conv2d(384, 3), conv2d(384, [1, 3])),
  column(SHARE, SHARE, conv2d(384, [3, 1])),
  column({ ...APOOL, kind: pool }, conv2d(192, 1)),
];
