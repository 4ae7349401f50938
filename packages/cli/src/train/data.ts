import {
  type Cluster,
  isLocal,
  jobTasks,
  PlacewrightError,
  type TensorData,
  type TensorValue,
  tensorValue,
  WORKER_JOB,
} from '@placewright/ir';
import {
  type Batch,
  batches,
  type Dataset,
  mnist,
  readTensors,
  sequentialBatches,
  synthetic,
  type TensorsFile,
} from '@placewright/models';
import type { Feeds } from '@placewright/runtime';
import type { ModelSettings } from '../options/settings.js';

/** Examples that are tested in one call of the engine. */
const TEST_BATCH = 500;

/** What a run is fed. */
export interface RunData {
  readonly name: string;
  /** A batch for all towers, for each step, from one of them on. */
  readonly feeds: (start?: number) => Iterator<Feeds>;
  /** Initial values by logical name; empty for the model's own. */
  readonly initial: ReadonlyMap<string, TensorValue>;
  /** Images to train with; null where every step takes the same batch. */
  readonly trainCount: number | null;
  /** Images that training does not see, each once; null where there are none. */
  readonly test: { readonly count: number; readonly feeds: () => Iterator<Feeds> } | null;
}

/** Rows of a step, over all towers of all workers. */
export function rowsOfStep({ cluster, numGpus, batchSize }: ModelSettings): number {
  return workersOf(cluster) * numGpus * batchSize;
}

/** Workers of a cluster; 1 on one machine. */
export function workersOf(cluster: Cluster): number {
  return isLocal(cluster) ? 1 : jobTasks(cluster, WORKER_JOB).length;
}

/** Loads the images of a run. Throws PW_DATA_*, PW_TENSORS_*. */
export function loadData(settings: ModelSettings, tensorsFile?: string): RunData {
  const rows = rowsOfStep(settings);
  if (tensorsFile !== undefined) {
    const tensors = readTensors(tensorsFile, { classes: settings.input.classes });
    return withFile(tensorsFile, () => recordedData(tensors, settings, rows));
  }
  const dataset = loadDataset(settings);
  return {
    name: dataset.name,
    feeds: (start = 0) =>
      mapIterator(batches(dataset.train, { batchSize: rows, seed: settings.seed, start }), asFeeds),
    initial: new Map(),
    trainCount: dataset.train.count,
    test: {
      count: dataset.test.count,
      feeds: () => mapIterator(sequentialBatches(dataset.test, TEST_BATCH), asFeeds),
    },
  };
}

function loadDataset({ data, input, seed }: ModelSettings): Dataset {
  if (data === 'mnist') return mnist();
  const { imageSize, channels, classes } = input;
  return synthetic({ imageShape: [imageSize, imageSize, channels], classes, seed });
}

/** The same rows at every step, from the start of the file's batch. */
function recordedData({ initial, batch }: TensorsFile, settings: ModelSettings, rows: number): RunData {
  checkRecorded(batch, settings, rows);
  const feeds = asFeeds({ images: firstRows(batch.images, rows), labels: firstRows(batch.labels, rows) });
  return {
    name: 'recorded tensors',
    feeds: () => ({ next: () => ({ done: false, value: feeds }) }),
    initial,
    trainCount: null,
    test: null,
  };
}

function checkRecorded(
  batch: Batch,
  { input, cluster, numGpus, batchSize, model }: ModelSettings,
  rows: number,
): void {
  const [have = 0, ...image] = batch.images.shape;
  const want = [input.imageSize, input.imageSize, input.channels];
  if (String(image) !== String(want)) {
    throw new PlacewrightError(
      'PW_TENSORS_BATCH',
      `images are ${image.join('×')}; model ${model.name} takes ${want.join('×')}`,
      {
        hint: 'take the tensors file of this model',
      },
    );
  }
  if (have < rows) {
    throw new PlacewrightError(
      'PW_TENSORS_ROWS',
      `the batch has ${have} rows; ${workersOf(cluster) * numGpus} towers of ${batchSize} take ${rows}`,
      { hint: 'take fewer towers or a smaller --batch-size' },
    );
  }
}

function firstRows(value: TensorValue, rows: number): TensorValue {
  return someRows(value, 0, rows);
}

function someRows(value: TensorValue, from: number, rows: number): TensorValue {
  const [, ...rest] = value.shape;
  const size = rest.reduce((n, dim) => n * dim, 1);
  const data = value.data.subarray(from * size, (from + rows) * size) as TensorData;
  return tensorValue(value.dtype, [rows, ...rest], data);
}

/** What one worker is fed: of each batch the rows of its own towers, tower t of worker w those of tower w·N + t. */
export function workerFeeds(
  data: RunData,
  { numGpus, batchSize }: ModelSettings,
  worker: number,
  start?: number,
): Iterator<Feeds> {
  const rows = numGpus * batchSize;
  return mapIterator(
    data.feeds(start),
    (batch) => new Map([...batch].map(([name, value]) => [name, someRows(value, worker * rows, rows)])),
  );
}

function asFeeds({ images, labels }: Batch): Feeds {
  return new Map([
    ['images', images],
    ['labels', labels],
  ]);
}

function mapIterator<A, B>(iterator: Iterator<A>, map: (value: A) => B): Iterator<B> {
  return {
    next() {
      const { done, value } = iterator.next();
      return done === true ? { done, value: undefined } : { done: false, value: map(value) };
    },
  };
}

function withFile<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw error instanceof PlacewrightError ? error.at({ file }) : error;
  }
}
