import {
  type AttrKind,
  type AttrValue,
  constantValue,
  type DType,
  type Graph,
  getAttr,
  type Node,
  PlacewrightError,
  type Shape,
  type TensorRef,
  type TensorType,
  type TensorValue,
  tensorKey,
  tensorTypeOf,
  toNumbers,
} from '@placewright/ir';
import type { Accumulate } from '../../../engine.js';
import type { GraphBuilder } from '../onnx/builder.js';

/** Moves channels of a batch of images first, which is the only layout of ONNX's window ops. */
export const TO_IMAGE = [0, 3, 1, 2] as const;
export const FROM_IMAGE = [0, 2, 3, 1] as const;

/**
 * The forms in which an ONNX graph holds one tensor. Each is made when first asked for, so that a chain of ops that can
 * all work on images has no transposes inside.
 */
interface Forms {
  /** As the graph has it. */
  plain?: string;
  /** [batch, channels, height, width] of a [batch, height, width, channels] tensor. */
  image?: string;
  /** int64 form of an int32 vector: what ONNX wants of shapes. */
  wide?: string;
}

/** The tensors of one region while it is being written. */
export interface RegionValues {
  readonly builder: GraphBuilder;
  readonly graph: Graph;
  readonly accumulate: Accumulate;
  /** The node of the region that makes a tensor, where nothing but one other node of the region takes it. */
  readonly makers: ReadonlyMap<string, Node>;
  readonly forms: Map<string, Forms>;
  /** Other things made from tensors once: transposed filters. */
  readonly derived: Map<string, string>;
  readonly guards: Guard[];
  /** Nodes by the reason for which they have no form here. */
  readonly refusals: Map<string, string[]>;
}

/** A tensor of class labels that must lie in [0, limit) for the region's results to be used. */
export interface Guard {
  readonly tensor: TensorRef;
  readonly limit: number;
  readonly node: Node;
}

/** Thrown by emitters, and gathered for all nodes of a region. */
export class Refused extends Error {}

/** What an emitter sees of its node. */
export interface EmitContext {
  readonly builder: GraphBuilder;
  readonly node: Node;
  readonly inputCount: number;
  attr<K extends AttrKind>(name: string, kind: K): AttrValue<K>;
  ref(index: number): TensorRef;
  type(index: number): TensorType;
  output(port?: number): TensorType;
  /** Value of a constant input; null if it is none. */
  constant(index: number): TensorValue | null;
  /** Name of an input in the layout of the graph. */
  input(index: number): string;
  /** Whether a [batch, height, width, channels] input is there as an image already, and not yet as it is. */
  isImage(index: number): boolean;
  /** Name of a [batch, height, width, channels] input with channels moved first. */
  image(index: number): string;
  /** Name of an int vector input as int64. */
  wide(index: number): string;
  /** What `make` adds, made once for each input and key. */
  derived(index: number, key: string, make: () => string): string;
  /**
   * The node that makes an input, where this one alone takes it, so that the two may be written as one; null where there
   * is none, or every op is to round by itself.
   */
  maker(index: number): EmitContext | null;
  set(port: number, name: string): void;
  /** Sets an output by its form with channels first, of a [batch, height, width, channels] tensor. */
  setImage(port: number, name: string): void;
  setWide(port: number, name: string): void;
  /** Makes output 0 another name for input 0. */
  alias(): void;
  /** Asks the runtime to check an input before the region's results are used. */
  guard(index: number, limit: number): void;
  /** Throws the `Refused` that says that this node has no form here. */
  refuse(why: string): never;
}

export function emitContext(values: RegionValues, node: Node): EmitContext {
  const { builder, graph } = values;
  const ref = (index: number): TensorRef => node.inputs[index] ?? missing(node, index);
  const held = (index: number): Forms => formsOf(values, ref(index));
  const made = (port: number): Forms => {
    const key = tensorKey({ node: node.id, port });
    const forms = values.forms.get(key) ?? {};
    values.forms.set(key, forms);
    return forms;
  };
  return {
    builder,
    node,
    inputCount: node.inputs.length,
    attr: (name, kind) => getAttr(node, name, kind),
    ref,
    type: (index) => tensorTypeOf(graph, ref(index)),
    output: (port = 0) => node.outputs[port] ?? missing(node, port),
    constant: (index) => constantValue(graph, ref(index)),
    input: (index) => plainForm(builder, held(index)),
    isImage: (index) => {
      const forms = held(index);
      return forms.image !== undefined && forms.plain === undefined;
    },
    image: (index) => imageForm(builder, held(index)),
    wide: (index) => wideForm(builder, held(index), constantValue(graph, ref(index))),
    derived: (index, key, make) => {
      const full = `${tensorKey(ref(index))} ${key}`;
      const name = values.derived.get(full) ?? make();
      values.derived.set(full, name);
      return name;
    },
    maker: (index) => {
      const found = values.accumulate === 'float64' ? undefined : values.makers.get(tensorKey(ref(index)));
      return found === undefined ? null : emitContext(values, found);
    },
    set: (port, name) => {
      made(port).plain = name;
    },
    setImage: (port, name) => {
      made(port).image = name;
    },
    setWide: (port, name) => {
      made(port).wide = name;
    },
    alias: () => {
      values.forms.set(tensorKey({ node: node.id, port: 0 }), held(0));
    },
    guard: (index, limit) => {
      values.guards.push({ tensor: ref(index), limit, node });
    },
    refuse: (why) => {
      throw new Refused(why);
    },
  };
}

function missing(node: Node, index: number): never {
  throw new PlacewrightError('PW_INTERNAL_EMIT', `${node.op} has no input or output ${index}`, {
    kind: 'internal',
  });
}

function formsOf(values: RegionValues, ref: TensorRef): Forms {
  const key = tensorKey(ref);
  const known = values.forms.get(key);
  if (known !== undefined) return known;
  const value = constantValue(values.graph, ref);
  if (value === null) {
    throw new PlacewrightError('PW_INTERNAL_EMIT', `tensor ${key} is used before it is made`, {
      kind: 'internal',
    });
  }
  const forms: Forms = { plain: values.builder.constant(value) };
  values.forms.set(key, forms);
  return forms;
}

function plainForm(builder: GraphBuilder, forms: Forms): string {
  if (forms.plain === undefined) {
    if (forms.image !== undefined) forms.plain = builder.op('Transpose', [forms.image], { perm: FROM_IMAGE });
    else if (forms.wide !== undefined) forms.plain = builder.cast(forms.wide, 'int32');
  }
  return forms.plain ?? '';
}

function imageForm(builder: GraphBuilder, forms: Forms): string {
  forms.image ??= builder.op('Transpose', [plainForm(builder, forms)], { perm: TO_IMAGE });
  return forms.image;
}

function wideForm(builder: GraphBuilder, forms: Forms, constant: TensorValue | null): string {
  forms.wide ??=
    constant === null ? builder.cast(plainForm(builder, forms), 'int64') : builder.ints(toNumbers(constant));
  return forms.wide;
}

/** The plain form of a tensor that is in the region: what its outputs are. */
export function plainName(values: RegionValues, ref: TensorRef): string {
  return plainForm(values.builder, formsOf(values, ref));
}

/** Types that a region can hold at all. Half precision is left to engines that have it. */
export const REGION_DTYPES: readonly DType[] = ['float32', 'float64', 'int32', 'int64', 'uint8', 'bool'];

/** Writes one node of a region. */
export interface Emitter {
  /** What it becomes: `onnx: Conv`. */
  readonly how: string;
  /** Types of the operand that ONNX Runtime has kernels for. */
  readonly dtypes: readonly DType[];
  /** Index of the input whose type `dtypes` speaks of, 0 when left out; -1 is output 0. */
  readonly operand?: number;
  readonly emit: (context: EmitContext) => void;
  /** How it is written where sums are to be in float64, given a context in which all float32 tensors are float64. */
  readonly precise?: (context: EmitContext) => void;
}

/** Why an op does not run here. */
export interface Refusal {
  readonly refused: string;
}

export const F32: readonly DType[] = ['float32'];
export const FLOATING: readonly DType[] = ['float32', 'float64'];
export const ARITHMETIC: readonly DType[] = ['float32', 'float64', 'int32', 'int64'];

export function emitter(
  how: string,
  dtypes: readonly DType[],
  emit: (context: EmitContext) => void,
  operand = 0,
): Emitter {
  return { how: `onnx: ${how}`, dtypes, emit, operand };
}

/**
 * An op that rounds on the way to its result: where sums are to be in float64 it is written over float64 operands, and
 * its outputs are rounded once. `precise` is another form where ONNX Runtime has no float64 kernels for the plain one.
 */
export function summing(found: Emitter, precise = found.emit): Emitter {
  return { ...found, precise };
}

/** Axes of all dimensions. */
export function allAxes(shape: Shape): number[] {
  return shape.map((_, axis) => axis);
}
