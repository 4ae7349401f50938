import type { DType } from '@placewright/ir';

/** TensorFlow's number of each element type of the IR. */
export const DTYPE_NUMBERS: Readonly<Record<DType, number>> = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  string: 7,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  float16: 19,
};

/** Element types that only the expansions of random ops use, and that of handles. */
export const UINT32 = 22;
export const UINT64 = 23;
export const RESOURCE = 20;

/** The number of a reference to a variable of an element type is this much higher. */
const REFERENCE = 100;

const BY_NUMBER: ReadonlyMap<number, DType> = new Map(
  Object.entries(DTYPE_NUMBERS).map(([dtype, number]) => [number, dtype as DType]),
);

/** The IR's element type of a number, that of a reference included; undefined for those that the IR does not have. */
export function dtypeOf(number: number): DType | undefined {
  return BY_NUMBER.get(number > REFERENCE ? number - REFERENCE : number);
}
