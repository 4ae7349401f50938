import type { AttrKind, Attrs, AttrValue } from './attr.js';
import type { DType } from './dtype.js';
import { PlacewrightError } from './errors.js';
import type { Resource, TensorRef } from './graph.js';
import type { Shape, TensorType } from './shape.js';
import type { TensorValue } from './tensor.js';

/**
 * One input of an op. `dtype` is a list of allowed types, or the name of a type variable (`T`) that binds to the first
 * input that has it; `rest` takes all inputs from here on.
 */
export interface InputDecl {
  readonly name: string;
  readonly dtype: readonly DType[] | string;
  readonly rest?: boolean;
}

export interface AttrDecl {
  readonly kind: AttrKind;
  /** Left out where the attribute must be given. */
  readonly default?: AttrValue<AttrKind>;
  /** Allowed strings. */
  readonly oneOf?: readonly string[];
}

/** What an op does to one of its resources. */
export type ResourceEffect = 'read' | 'write' | 'put' | 'get';

/**
 * What an op does beside computing its outputs.
 * `pure`: nothing, and it may run twice or not at all. `feed`: its value comes from the caller. `resources`: acts on the
 * resources in `Node.resources`, one effect each. `communicate`: exchanges tensors with other nodes or devices.
 */
export type Effect =
  | { readonly kind: 'pure' }
  | { readonly kind: 'feed' }
  | { readonly kind: 'resources'; readonly effects: readonly ResourceEffect[] }
  | { readonly kind: 'communicate' };

export const PURE: Effect = { kind: 'pure' };

/** What a shape function sees. */
export interface InferContext {
  readonly op: string;
  readonly inputs: readonly TensorType[];
  readonly attrs: Attrs;
  readonly resources: readonly Resource[];
  attr<K extends AttrKind>(name: string, kind: K): AttrValue<K>;
  input(index: number): TensorType;
  /** The shape that the integer vector at an input spells out, as far as it is known (from `Shape` or `Const`); null if not. */
  shapeValue(index: number): Shape | null;
  /** The value of a constant input; null if it is none. */
  constant(index: number): TensorValue | null;
  /** Throws PW_OP_INPUT with the op's name before the message. */
  fail(message: string, hint?: string): never;
}

/** What a gradient function sees: reverse mode, one node at a time. */
export interface GradientContext {
  readonly inputs: readonly TensorRef[];
  readonly outputs: readonly TensorRef[];
  readonly attrs: Attrs;
  /** Gradient by each output; null where nothing depends on it. */
  readonly grads: readonly (TensorRef | null)[];
  /** Gradient by output `index`; zeros where nothing depends on it. */
  grad(index: number): TensorRef;
  type(tensor: TensorRef): TensorType;
  attr<K extends AttrKind>(name: string, kind: K): AttrValue<K>;
  /** Adds a node and gives its outputs. Attributes left out take their defaults. */
  op(op: string, inputs: readonly TensorRef[], attrs?: AttrInput): readonly [TensorRef, ...TensorRef[]];
  /** A scalar constant of the dtype. */
  constant(dtype: DType, value: number): TensorRef;
  /** `grad` summed over the dimensions along which `shape` was broadcast, so that it has the shape of `like`. */
  unbroadcast(grad: TensorRef, like: TensorRef): TensorRef;
}

/** Attribute values as written by hand; the op's declaration says their types. */
export type AttrInput = Readonly<Record<string, AttrValue<AttrKind>>>;

/** Gradients by each input, null where none flows. */
export type GradientFunction = (context: GradientContext) => readonly (TensorRef | null)[];

/** One op: everything that passes and engines need to know of it, in one declaration. */
export interface OpDecl {
  readonly op: string;
  /** One line on what it computes, with shapes. */
  readonly summary: string;
  readonly inputs: readonly InputDecl[];
  readonly attrs: Readonly<Record<string, AttrDecl>>;
  readonly effect: Effect;
  /** Types of the outputs. Throws with `context.fail`. */
  readonly infer: (context: InferContext) => readonly TensorType[];
  /** A function, or why there is none: `zero` (no gradient flows through: comparisons, shapes), `none` (an error to ask). */
  readonly gradient: GradientFunction | 'zero' | 'none';
}

/** Ops by name. Open: `extendRegistry` adds a user's own. */
export interface OpRegistry {
  readonly ops: ReadonlyMap<string, OpDecl>;
}

export function createRegistry(decls: Iterable<OpDecl>): OpRegistry {
  return extendRegistry({ ops: new Map() }, decls);
}

/** A registry with more ops. Throws PW_OP_DUPLICATE when a name is taken. */
export function extendRegistry(registry: OpRegistry, decls: Iterable<OpDecl>): OpRegistry {
  const ops = new Map(registry.ops);
  for (const decl of decls) {
    if (ops.has(decl.op)) {
      throw new PlacewrightError('PW_OP_DUPLICATE', `op ${JSON.stringify(decl.op)} is declared twice`, {
        hint: 'give the new op a name of its own',
      });
    }
    ops.set(decl.op, layOut(decl));
  }
  return { ops };
}

/** A declaration laid out like all others, for the reason that `makeNode` gives. */
function layOut({ op, summary, inputs, attrs, effect, infer, gradient }: OpDecl): OpDecl {
  return { op, summary, inputs, attrs, effect, infer, gradient };
}
