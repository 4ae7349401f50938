import {
  type AttrKind,
  type DType,
  getAttr,
  type Node,
  PlacewrightError,
  type Shape,
  type TensorValue,
  tensorOf,
  tensorTypeOf,
} from '@placewright/ir';
import { entry, tensorAttr, typeAttr } from '../attr.js';
import { DTYPE_NUMBERS } from '../dtype.js';
import type { InputRow, TypeOf } from '../ops/row.js';
import type { AttrEntry } from '../proto/messages.js';
import { rawTensor } from '../tensor.js';
import { addPart, resourcesOf, type Writing } from './writing.js';

type ConstantRow = Extract<InputRow, { kind: 'constant' }>;

/** The element type that a row speaks of. */
export function typeOf(writing: Writing, node: Node, of: TypeOf): DType {
  if (typeof of === 'string') return of;
  if ('attr' in of) return getAttr(node, of.attr, 'dtype');
  if ('output' in of) return node.outputs[of.output]?.dtype ?? missing(node);
  if ('resource' in of) {
    const resource = resourcesOf(writing, node)[of.resource];
    return resource?.kind === 'variable' ? resource.dtype : missing(node);
  }
  const ref = node.inputs[of.input];
  return ref === undefined ? missing(node) : tensorTypeOf(writing.module.graph, ref).dtype;
}

function missing(node: Node): never {
  throw new PlacewrightError('PW_OP_INPUT', `${node.op} lacks an input or a resource`);
}

/** Adds a constant that a node takes for one of its attributes; gives its name. */
export function addConstant(writing: Writing, node: Node, row: ConstantRow): string {
  const dtype = typeOf(writing, node, row.dtype);
  return addValue(writing, node, row.name, constantValue(node, row, dtype));
}

export function addValue(writing: Writing, node: Node, suffix: string, value: TensorValue): string {
  const attrs = [entry('dtype', typeAttr(value.dtype)), entry('value', tensorAttr(value))];
  return addPart(writing, node, { suffix, op: 'Const', attrs });
}

function constantValue(node: Node, { attr: name, form }: ConstantRow, dtype: DType): TensorValue {
  const attr = node.attrs.get(name);
  const numbers = attr === undefined ? undefined : numbersOf(attr.kind, attr.value);
  if (numbers === undefined) {
    throw new PlacewrightError('PW_ATTR_MISSING', `${node.op} lacks its attribute ${JSON.stringify(name)}`);
  }
  switch (form) {
    case 'scalar':
      return tensorOf(dtype, [], numbers);
    case 'vector':
    case 'axes':
      return tensorOf(dtype, [numbers.length], numbers);
    case 'pairs':
      return tensorOf(dtype, [numbers.length / 2, 2], numbers);
  }
}

function numbersOf(kind: AttrKind, value: unknown): readonly number[] | undefined {
  if (kind === 'int' || kind === 'float') return [value as number];
  if (kind === 'ints' || kind === 'floats') return value as readonly number[];
  return kind === 'shape' ? (value as Shape).map((dim) => dim ?? -1) : undefined;
}

/** The attributes of a constant of any element type, by its number and raw bytes. */
export function rawConstant(dtype: number, shape: readonly number[], bytes: Uint8Array): AttrEntry[] {
  return [
    entry('dtype', { case: 'type', value: dtype }),
    entry('value', { case: 'tensor', value: rawTensor(dtype, shape, bytes) }),
  ];
}

export const float64Constant = (value: number): AttrEntry[] =>
  rawConstant(DTYPE_NUMBERS.float64, [], new Uint8Array(Float64Array.of(value).buffer));
