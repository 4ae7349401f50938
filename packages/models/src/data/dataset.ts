import { PlacewrightError } from '@placewright/ir';

/** Height, width and channels of an image. */
export type ImageShape = readonly [height: number, width: number, channels: number];

/** Images with their labels, in memory as bytes. */
export interface Split {
  readonly count: number;
  readonly imageShape: ImageShape;
  /** Pixels of 0 to 255, `[count, height, width, channels]` row-major. */
  readonly images: Uint8Array;
  /** `[count]`, each below the number of classes. At most 256 classes fit in a byte; more take two. */
  readonly labels: Uint8Array | Uint16Array;
}

export interface Dataset {
  readonly name: string;
  readonly imageShape: ImageShape;
  readonly classes: number;
  readonly train: Split;
  readonly test: Split;
}

/** How the input of a model must be set to take this data set. Throws PW_DATA_SHAPE where images are not square. */
export function modelInput(dataset: Dataset): { imageSize: number; channels: number; classes: number } {
  const [height, width, channels] = dataset.imageShape;
  if (height !== width) {
    throw new PlacewrightError(
      'PW_DATA_SHAPE',
      `the images of ${JSON.stringify(dataset.name)} are ${height}×${width}`,
      {
        hint: 'the models take square images; crop or pad them',
      },
    );
  }
  return { imageSize: height, channels, classes: dataset.classes };
}
