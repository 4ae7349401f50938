import { DTYPE_NUMBERS } from '../../src/proto/tensor.js';
import {
  intField,
  joinParts,
  messageField,
  type Parts,
  textElement,
  textField,
} from '../../src/proto/wire.js';

/** GraphDefs by hand, as small as the tests need them. */

const PRODUCER = 1882;
const FLOAT = DTYPE_NUMBERS.float32;

export const typeAttr = (number: number): Parts => intField(6, number);
export const floats: Parts = typeAttr(FLOAT);
export const shapeAttr = (...dims: number[]): Parts =>
  messageField(
    7,
    dims.flatMap((dim) => messageField(2, intField(1, dim))),
  );
export const textAttr = (text: string): Parts => textElement(2, text);
export const intAttr = (value: number): Parts => intField(3, value);
export const floatConst = (value: number): Parts =>
  messageField(8, [
    ...intField(1, FLOAT),
    ...messageField(4, [new Uint8Array(Float32Array.of(value).buffer)]),
  ]);

export const intConst = (value: number): Parts =>
  messageField(8, [
    ...intField(1, DTYPE_NUMBERS.int32),
    ...messageField(4, [new Uint8Array(Int32Array.of(value).buffer)]),
  ]);
/** A list of types. */
export const typesAttr = (...numbers: number[]): Parts =>
  messageField(
    1,
    numbers.flatMap((number) => intField(6, number)),
  );

export interface TestNode {
  readonly name: string;
  readonly op: string;
  readonly inputs?: readonly string[];
  readonly device?: string;
  readonly attrs?: Readonly<Record<string, Parts>>;
}

const encodeNode = ({ name, op, inputs = [], device = '', attrs = {} }: TestNode): Parts =>
  messageField(1, [
    ...textField(1, name),
    ...textField(2, op),
    ...inputs.flatMap((input) => textElement(3, input)),
    ...textField(4, device),
    ...Object.entries(attrs).flatMap(([key, value]) =>
      messageField(5, [...textField(1, key), ...messageField(2, value)]),
    ),
  ]);

export function graphDef(nodes: readonly TestNode[]): Uint8Array {
  return joinParts([...nodes.flatMap(encodeNode), ...messageField(4, intField(1, PRODUCER))]);
}
