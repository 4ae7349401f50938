import { readFileSync } from 'node:fs';
import {
  allocate,
  DTYPE_BYTES,
  type DType,
  elementCount,
  formatShape,
  isDType,
  PlacewrightError,
  parseJson,
  type TensorValue,
} from '@placewright/ir';

/** Initial values by a variable's logical name, and one batch. */
export interface TensorsFile {
  readonly initial: ReadonlyMap<string, TensorValue>;
  readonly batch: Batch;
}

/**
 * Images float32 `[n, height, width, channels]` of 0 to 255 and labels int32 `[n]` from 0. An alias and no interface, so
 * that it can be fed where any record of tensors can.
 */
export type Batch = { readonly images: TensorValue; readonly labels: TensorValue };

export interface TensorsOptions {
  /** Labels from here on are refused. */
  readonly classes?: number;
  /** Name of the file, for errors. */
  readonly file?: string;
}

/**
 * Reads `{"initial": {name: {shape, dtype, base64}}, "batch": {"images", "labels"}}`, elements little-endian.
 * Throws PW_TENSORS_FILE, PW_TENSORS_JSON, PW_TENSORS_FORM, PW_TENSORS_DTYPE, PW_TENSORS_SHAPE, PW_TENSORS_SIZE,
 * PW_TENSORS_BASE64, PW_TENSORS_NAN, PW_TENSORS_VALUE, PW_TENSORS_BATCH, PW_TENSORS_LABEL and PW_SHAPE_TOO_LARGE.
 */
export function readTensors(file: string, options: TensorsOptions = {}): TensorsFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PlacewrightError('PW_TENSORS_FILE', `cannot read the tensors: ${reasonOf(cause)}`, {
      where: { file },
      hint: 'check the path and the rights',
      cause,
    });
  }
  return parseTensors(text, { file, ...options });
}

const NOT_JSON = {
  code: 'PW_TENSORS_JSON',
  message: 'the tensors are not JSON',
  hint: 'was the file cut off? Fetch it again',
};

/** As `readTensors`, of the file's text. */
export function parseTensors(text: string, options: TensorsOptions = {}): TensorsFile {
  try {
    const top = fields(parseJson(text, NOT_JSON), 'the file');
    const initial = new Map<string, TensorValue>();
    for (const [name, value] of fields(top.get('initial'), '"initial"'))
      initial.set(name, decode(name, value));
    const batch = fields(top.get('batch'), '"batch"');
    const images = decode('images', batch.get('images'));
    const labels = decode('labels', batch.get('labels'));
    checkBatch(images, labels, options.classes ?? Number.POSITIVE_INFINITY);
    return { initial, batch: { images, labels } };
  } catch (error) {
    if (error instanceof PlacewrightError && options.file !== undefined)
      throw error.at({ file: options.file });
    throw error;
  }
}

/** The fields of a JSON object. As a map, since a key may be `__proto__`. */
function fields(value: unknown, what: string): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PlacewrightError('PW_TENSORS_FORM', `${what} must be an object`, {
      hint: 'the form is {"initial": {name: tensor}, "batch": {"images": tensor, "labels": tensor}}',
    });
  }
  return new Map(Object.entries(value));
}

/** One `{shape, dtype, base64}`. */
function decode(name: string, value: unknown): TensorValue {
  const tensor = fields(value, `tensor ${quote(name)}`);
  const dtype = decodeDType(name, tensor.get('dtype'));
  const shape = decodeShape(name, tensor.get('shape'));
  const count = elementCount(shape) ?? 0;
  const bytes = decodeBytes(name, tensor.get('base64'), count * DTYPE_BYTES[dtype], shape);
  const data = allocate(dtype, count);
  new Uint8Array(data.buffer).set(bytes);
  const result = { dtype, shape, data };
  checkValues(name, result);
  return result;
}

/** Types whose bytes in a file are those in memory. */
const READABLE: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'uint8', 'bool'];

function decodeDType(name: string, value: unknown): DType {
  if (typeof value === 'string' && isDType(value) && READABLE.includes(value)) return value;
  throw new PlacewrightError('PW_TENSORS_DTYPE', `tensor ${quote(name)} has the dtype ${quote(value)}`, {
    hint: `one of ${READABLE.join(', ')}`,
  });
}

const MAX_RANK = 32;

function decodeShape(name: string, value: unknown): readonly number[] {
  const dims: readonly unknown[] | null = Array.isArray(value) && value.length <= MAX_RANK ? value : null;
  const shape = dims?.filter((dim): dim is number => Number.isSafeInteger(dim) && Number(dim) >= 0);
  if (dims !== null && shape?.length === dims.length) return shape;
  throw new PlacewrightError('PW_TENSORS_SHAPE', `tensor ${quote(name)} has the shape ${quote(value)}`, {
    hint: `a list of up to ${MAX_RANK} whole numbers from 0`,
  });
}

function decodeBytes(name: string, value: unknown, size: number, shape: readonly number[]): Uint8Array {
  const text = typeof value === 'string' ? value : '';
  const digits = Math.ceil(size / 3) * 4;
  if (typeof value !== 'string' || text.length !== digits) {
    const found = typeof value === 'string' ? `${text.length} characters` : `a ${typeof value}`;
    throw new PlacewrightError(
      'PW_TENSORS_SIZE',
      `tensor ${quote(name)} of shape ${formatShape(shape)} takes ${digits} characters of base64 (${size} bytes), not ${found}`,
      { hint: 'was the file cut off? Fetch it again' },
    );
  }
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== size || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new PlacewrightError(
      'PW_TENSORS_BASE64',
      `tensor ${quote(name)} holds characters that are not base64`,
      {
        hint: 'A–Z, a–z, 0–9, + and / only, = at the end',
      },
    );
  }
  return bytes;
}

function checkValues(name: string, { dtype, data }: TensorValue): void {
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const wrong = data.findIndex((x) => !Number.isFinite(x));
    if (wrong < 0) return;
    throw new PlacewrightError(
      'PW_TENSORS_NAN',
      `element ${wrong} of tensor ${quote(name)} is ${data[wrong]}`,
      {
        hint: 'initial values and images must be finite',
      },
    );
  }
  if (dtype === 'bool' && data instanceof Uint8Array) {
    const wrong = data.findIndex((x) => x > 1);
    if (wrong >= 0)
      throw new PlacewrightError(
        'PW_TENSORS_VALUE',
        `element ${wrong} of tensor ${quote(name)} is ${data[wrong]}`,
        { hint: 'a bool is 0 or 1' },
      );
  }
}

function checkBatch(images: TensorValue, labels: TensorValue, classes: number): void {
  const wrong = (message: string, hint: string): never => {
    throw new PlacewrightError('PW_TENSORS_BATCH', message, { hint });
  };
  if (images.dtype !== 'float32' || images.shape.length !== 4) {
    wrong(
      `images are ${images.dtype}${formatShape(images.shape)}`,
      'they must be float32[n, height, width, channels]',
    );
  }
  if (labels.dtype !== 'int32' || labels.shape.length !== 1) {
    wrong(`labels are ${labels.dtype}${formatShape(labels.shape)}`, 'they must be int32[n]');
  }
  if (labels.shape[0] !== images.shape[0]) {
    wrong(`${images.shape[0]} images have ${labels.shape[0]} labels`, 'each image needs one label');
  }
  const bad = Array.from(labels.data, Number).findIndex((label) => label < 0 || label >= classes);
  if (bad >= 0) {
    throw new PlacewrightError('PW_TENSORS_LABEL', `label ${bad} of the batch is ${labels.data[bad]}`, {
      hint: Number.isFinite(classes) ? `labels go from 0 to ${classes - 1}` : 'labels count from 0',
    });
  }
}

/** Some of a value from the file, for a message; never all of it, which may be deep or long. */
function quote(value: unknown): string {
  if (Array.isArray(value))
    return `[${value.slice(0, 8).map(quoteItem).join(', ')}${value.length > 8 ? ', …' : ''}]`;
  return quoteItem(value);
}

function quoteItem(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? '[…]' : '{…}';
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  return String(value);
}

/** What the system says of a file, without its code and the path, which stand elsewhere. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message.replace(/^(E[A-Z]+): /, '').replace(/, \w+( '.*')?$/s, '');
}
