import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { DType, Shape } from '@placewright/ir';

/**
 * ONNX's model file (onnx.proto3), as far as regions need it. The messages are few and stable, so that they are
 * described here by their field numbers, over protobuf's wire writer.
 */

/** Attribute of a node, tagged with its type. */
export type OnnxAttr =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor };

export interface OnnxTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Elements as they lie in memory, little-endian. */
  readonly raw: Uint8Array;
}

export interface OnnxNode {
  readonly op: string;
  /** Empty names stand for optional inputs that are left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: ReadonlyMap<string, OnnxAttr>;
  /** `''` is ONNX's own. */
  readonly domain: string;
}

/** An input or output of the graph. Unknown dimensions get names, so that they may differ from run to run. */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** Version of ONNX's operator set that emitters write for. */
export const OPSET = 21;
const IR_VERSION = 10;
/** ONNX Runtime's own operators (`FusedMatMul`). */
export const CONTRIB = 'com.microsoft';

/** ONNX's TensorProto.DataType. */
const DATA_TYPES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** The number that ONNX knows a dtype by: the `to` of `Cast`. */
export function onnxDType(dtype: DType): number {
  return DATA_TYPES[dtype];
}

const ATTR_TYPES = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;

/** The bytes of an ONNX model with one graph. */
export function encodeModel(graph: OnnxGraph): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  int64(writer, 1, IR_VERSION);
  text(writer, 2, 'placewright');
  message(writer, 7, (at) => writeGraph(at, graph));
  for (const [domain, version] of [['', OPSET] as const, [CONTRIB, 1] as const]) {
    message(writer, 8, (at) => {
      text(at, 1, domain);
      int64(at, 2, version);
    });
  }
  return new Uint8Array(writer.finish());
}

function writeGraph(writer: BinaryWriter, graph: OnnxGraph): void {
  for (const node of graph.nodes) message(writer, 1, (at) => writeNode(at, node));
  text(writer, 2, graph.name);
  for (const [name, tensor] of graph.initializers) message(writer, 5, (at) => writeTensor(at, tensor, name));
  for (const value of graph.inputs) message(writer, 11, (at) => writeValue(at, value));
  for (const value of graph.outputs) message(writer, 12, (at) => writeValue(at, value));
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) text(writer, 1, input);
  for (const output of node.outputs) text(writer, 2, output);
  text(writer, 4, node.op);
  for (const [name, attr] of node.attrs) message(writer, 5, (at) => writeAttr(at, name, attr));
  if (node.domain !== '') text(writer, 7, node.domain);
}

function writeAttr(writer: BinaryWriter, name: string, attr: OnnxAttr): void {
  text(writer, 1, name);
  if (attr.kind === 'float') writer.tag(2, WireType.Bit32).float(attr.value);
  if (attr.kind === 'int') int64(writer, 3, attr.value);
  if (attr.kind === 'string') text(writer, 4, attr.value);
  if (attr.kind === 'tensor') message(writer, 5, (at) => writeTensor(at, attr.value, ''));
  if (attr.kind === 'ints') packed(writer, 8, attr.value);
  int64(writer, 20, ATTR_TYPES[attr.kind]);
}

function writeTensor(writer: BinaryWriter, tensor: OnnxTensor, name: string): void {
  packed(writer, 1, tensor.dims);
  int64(writer, 2, onnxDType(tensor.dtype));
  if (name !== '') text(writer, 8, name);
  writer.tag(9, WireType.LengthDelimited).bytes(tensor.raw);
}

function writeValue(writer: BinaryWriter, { name, dtype, shape }: OnnxValue): void {
  text(writer, 1, name);
  message(writer, 2, (type) =>
    message(type, 1, (tensor) => {
      int64(tensor, 1, onnxDType(dtype));
      message(tensor, 2, (dims) => {
        shape.forEach((dim, axis) => {
          message(dims, 1, (at) => (dim === null ? text(at, 2, `${name}.${axis}`) : int64(at, 1, dim)));
        });
      });
    }),
  );
}

function message(writer: BinaryWriter, field: number, body: (writer: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  body(writer);
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function int64(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}

function packed(writer: BinaryWriter, field: number, values: readonly number[]): void {
  if (values.length === 0) return;
  writer.tag(field, WireType.LengthDelimited).fork();
  for (const value of values) writer.int64(value);
  writer.join();
}
