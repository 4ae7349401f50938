/** TensorFlow's element types that the IR knows. */
export const DTYPES = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int32',
  'int64',
  'uint8',
  'bool',
  'string',
] as const;
export type DType = (typeof DTYPES)[number];

/** Types that gradients flow through. */
export type FloatDType = 'float32' | 'float64' | 'float16' | 'bfloat16';
export type IntDType = 'int32' | 'int64' | 'uint8';
export type NumberDType = FloatDType | IntDType;

export const FLOATS: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16'];
export const INTS: readonly DType[] = ['int32', 'int64', 'uint8'];
export const NUMBERS: readonly DType[] = [...FLOATS, ...INTS];

/** Bytes an element takes; 0 for `string`, whose elements differ. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
  string: 0,
};

export function isDType(text: string): text is DType {
  return (DTYPES as readonly string[]).includes(text);
}

export function isFloat(dtype: DType): dtype is FloatDType {
  return FLOATS.includes(dtype);
}
