import { formatType, type TensorValue } from '@placewright/ir';
import { broken } from './laws/law.js';

/**
 * How far two float32 results may be apart. Passes change the order of additions, and a few steps carry that on: an
 * element may differ by `relative` of the largest magnitude of its tensor, and by `absolute` where all are small.
 */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** How far apart two tensors are: the largest difference of two elements; 0 where there are none. */
export function distance(a: TensorValue | undefined, b: TensorValue | undefined): number {
  let most = 0;
  const length = Math.min(a?.data.length ?? 0, b?.data.length ?? 0);
  for (let i = 0; i < length; i++) most = Math.max(most, Math.abs(Number(a?.data[i]) - Number(b?.data[i])));
  return most;
}

/** For whole training runs of a few steps: about a thousand roundings. */
export const RUN_TOLERANCE: Tolerance = { relative: 1e-4, absolute: 2e-5 };
/** For one op against another implementation of it. */
export const OP_TOLERANCE: Tolerance = { relative: 2e-5, absolute: 1e-6 };

/** Throws PW_LAW with the first element that differs. NaN equals NaN. */
export function mustBeNear(
  what: string,
  got: TensorValue | undefined,
  want: TensorValue,
  tolerance: Tolerance,
): void {
  mustBeAlike(what, got, want);
  const scale = magnitude(want.data);
  const slack = tolerance.relative * scale + tolerance.absolute;
  const index = firstDifference(got.data, want.data, (a, b) => Math.abs(Number(a) - Number(b)) <= slack);
  if (index < 0) return;
  broken(
    `${what}${at(want, index)} is ${got.data[index]}, not ${want.data[index]} (±${slack.toExponential(1)})`,
  );
}

/** Throws PW_LAW unless dtype, shape and every bit are the same. */
export function mustBeSame(what: string, got: TensorValue | undefined, want: TensorValue): void {
  mustBeAlike(what, got, want);
  const index = firstDifference(got.data, want.data, () => false);
  if (index >= 0) broken(`${what}${at(want, index)} is ${got.data[index]}, not exactly ${want.data[index]}`);
}

function mustBeAlike(
  what: string,
  got: TensorValue | undefined,
  want: TensorValue,
): asserts got is TensorValue {
  if (got === undefined) broken(`${what} is missing`);
  if (formatType(got) !== formatType(want)) broken(`${what} is ${formatType(got)}, not ${formatType(want)}`);
}

type Elements = ArrayLike<number | bigint>;

function firstDifference(
  got: Elements,
  want: Elements,
  near: (a: number | bigint, b: number | bigint) => boolean,
): number {
  for (let i = 0; i < want.length; i++) {
    const a = got[i] as number | bigint;
    const b = want[i] as number | bigint;
    if (!Object.is(a, b) && !near(a, b)) return i;
  }
  return -1;
}

function magnitude(data: Elements): number {
  let most = 0;
  for (let i = 0; i < data.length; i++) {
    const size = Math.abs(Number(data[i]));
    if (Number.isFinite(size)) most = Math.max(most, size);
  }
  return most;
}

function at({ shape }: TensorValue, index: number): string {
  if (shape.length === 0) return '';
  const place: number[] = [];
  let left = index;
  for (const dim of [...shape].reverse()) {
    place.unshift(left % dim);
    left = Math.floor(left / dim);
  }
  return `[${place.join(', ')}]`;
}
