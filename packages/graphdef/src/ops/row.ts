import type { DType } from '@placewright/ir';
import type { AttrCase } from '../proto/messages.js';

/** An element type that a row speaks of: a fixed one, or that of an input, an output, a resource or an attribute. */
export type TypeOf =
  | DType
  | { readonly input: number }
  | { readonly output: number }
  | { readonly resource: number }
  | { readonly attr: string };

/** One input of TensorFlow's op, or several. */
export type InputRow =
  /** Our input. */
  | { readonly kind: 'input'; readonly index: number }
  /** All of our inputs from there on. */
  | { readonly kind: 'rest'; readonly index: number }
  /** The handle of a resource that the node acts on. */
  | { readonly kind: 'handle'; readonly index: number }
  /** A static attribute of ours, which TensorFlow takes as a constant tensor. */
  | {
      readonly kind: 'constant';
      readonly attr: string;
      /** TensorFlow's name of the input, and the end of the constant's own name. */
      readonly name: string;
      readonly dtype: TypeOf;
      /** `pairs` is a matrix of two columns, `axes` a vector in which TensorFlow lets dimensions be counted from the end. */
      readonly form: 'scalar' | 'vector' | 'pairs' | 'axes';
    }
  /** The third reserve of the batch normalisation whose first one is our input: only TensorFlow's GPU kernels look at it. */
  | { readonly kind: 'reserve'; readonly of: number };

/** One attribute of TensorFlow's op. */
export type AttrRow =
  /** An element type that follows from the node. */
  | { readonly kind: 'type'; readonly name: string; readonly of: TypeOf }
  /** Element types of the tuples of the resource. */
  | { readonly kind: 'types'; readonly name: string }
  /** How many tensors the `rest` of the inputs has. */
  | { readonly kind: 'count'; readonly name: string }
  /** An attribute of ours, under its own name or another. */
  | { readonly kind: 'attr'; readonly name: string; readonly attr: string }
  /** A value that our op implies: another one in a file is another op, unless `any` value will do. */
  | { readonly kind: 'fixed'; readonly name: string; readonly value: AttrCase; readonly any: boolean }
  /** What the buffer is found by, and how much it holds. */
  | { readonly kind: 'buffer'; readonly name: 'container' | 'shared_name' | 'capacity' };

/** How one of our ops stands in a GraphDef: as one op of TensorFlow's. */
export interface OpRow {
  readonly kind: 'op';
  /** TensorFlow's op; ours where it is left out. */
  readonly op?: string;
  readonly inputs: readonly InputRow[];
  readonly attrs: readonly AttrRow[];
}

/** One of our ops that is several of TensorFlow's; `how` says which, for people. */
export interface ExpansionRow {
  readonly kind: 'expansion';
  readonly how: string;
}

/** One of our ops that a GraphDef cannot have. */
export interface RefusalRow {
  readonly kind: 'refusal';
  readonly why: string;
  readonly hint: string;
}

export type Row = OpRow | ExpansionRow | RefusalRow;

export const input = (index: number): InputRow => ({ kind: 'input', index });
export const rest = (index: number): InputRow => ({ kind: 'rest', index });
export const handle = (index: number): InputRow => ({ kind: 'handle', index });
export const scalar = (attr: string, name: string, dtype: TypeOf = 'int32'): InputRow => ({
  kind: 'constant',
  attr,
  name,
  dtype,
  form: 'scalar',
});
export const vector = (attr: string, name: string = attr): InputRow => ({
  kind: 'constant',
  attr,
  name,
  dtype: 'int32',
  form: 'vector',
});
export const axes = (attr: string, name: string): InputRow => ({
  kind: 'constant',
  attr,
  name,
  dtype: 'int32',
  form: 'axes',
});
export const pairs = (attr: string): InputRow => ({
  kind: 'constant',
  attr,
  name: attr,
  dtype: 'int32',
  form: 'pairs',
});

export const typed = (name: string, of: TypeOf): AttrRow => ({ kind: 'type', name, of });
/** The type of input 0, which most ops call T. */
export const T = typed('T', { input: 0 });
export const kept = (attr: string, name: string = attr): AttrRow => ({ kind: 'attr', attr, name });
export const fixed = (name: string, value: AttrCase, any = false): AttrRow => ({
  kind: 'fixed',
  name,
  value,
  any,
});

export const row = (inputs: readonly InputRow[], attrs: readonly AttrRow[], op?: string): OpRow => ({
  kind: 'op',
  inputs,
  attrs,
  ...(op === undefined ? {} : { op }),
});
