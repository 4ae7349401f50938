import { type Attr, type AttrKind, type Attrs, type AttrValue, getAttr } from './attr.js';
import type { DType } from './dtype.js';
import { nearest, PlacewrightError } from './errors.js';
import type { Graph, Resource, TensorRef } from './graph.js';
import type { AttrDecl, AttrInput, InferContext, InputDecl, OpDecl, OpRegistry } from './op.js';
import { formatType, type Shape, type TensorType } from './shape.js';
import { type TensorValue, toNumbers } from './tensor.js';

/** The declaration of an op. Throws PW_OP_UNKNOWN with the nearest name. */
export function lookupOp(registry: OpRegistry, op: string): OpDecl {
  const decl = registry.ops.get(op);
  if (decl !== undefined) return decl;
  const near = nearest(op, [...registry.ops.keys()]);
  throw new PlacewrightError('PW_OP_UNKNOWN', `there is no op ${JSON.stringify(op)}`, {
    hint:
      near === undefined
        ? 'declare it with extendRegistry'
        : `did you mean ${near}? Or declare it with extendRegistry`,
  });
}

/** What the types of a node's outputs are worked out from. */
export interface InferInput {
  readonly inputs: readonly TensorRef[];
  readonly attrs: Attrs;
  readonly resources: readonly Resource[];
}

/** Types of a node's outputs by its op's shape function. Throws PW_OP_INPUT, PW_ATTR_*, PW_SHAPE_*. */
export function inferOutputs(decl: OpDecl, node: InferInput, graph: Graph): readonly TensorType[] {
  const types = node.inputs.map((ref) => tensorTypeOf(graph, ref));
  checkInputs(decl, types);
  return decl.infer(inferContext(decl, node, types, graph));
}

/** Type of a tensor. Throws PW_DANGLING_EDGE when it does not exist. */
export function tensorTypeOf(graph: Graph, ref: TensorRef): TensorType {
  const type = graph.nodes.get(ref.node)?.outputs[ref.port];
  if (type === undefined) {
    throw new PlacewrightError('PW_DANGLING_EDGE', `there is no tensor ${ref.node}:${ref.port}`, {
      hint: 'the node was removed or has fewer outputs',
    });
  }
  return type;
}

function inferContext(
  decl: OpDecl,
  node: InferInput,
  types: readonly TensorType[],
  graph: Graph,
): InferContext {
  const holder = { op: decl.op, attrs: node.attrs };
  const fail = (message: string, hint?: string): never => {
    throw new PlacewrightError('PW_OP_INPUT', `${decl.op}: ${message}`, hint === undefined ? {} : { hint });
  };
  return {
    op: decl.op,
    inputs: types,
    attrs: node.attrs,
    resources: node.resources,
    attr: <K extends AttrKind>(name: string, kind: K): AttrValue<K> => getAttr(holder, name, kind),
    input: (index) => types[index] ?? fail(`input ${index} is missing`),
    constant: (index) => constantValue(graph, node.inputs[index]),
    shapeValue: (index) => shapeValue(graph, node.inputs[index]),
    fail,
  };
}

/** The value of a `Const`, through `Identity` and `Transfer`. */
export function constantValue(graph: Graph, ref: TensorRef | undefined): TensorValue | null {
  let at = ref;
  while (at !== undefined) {
    const node = graph.nodes.get(at.node);
    if (node?.op === 'Const') return getAttr(node, 'value', 'tensor');
    if (node?.op !== 'Identity' && node?.op !== 'Transfer') return null;
    at = node.inputs[0];
  }
  return null;
}

function shapeValue(graph: Graph, ref: TensorRef | undefined): Shape | null {
  let at = ref;
  while (at !== undefined) {
    const node = graph.nodes.get(at.node);
    if (node?.op === 'Shape')
      return node.inputs[0] === undefined ? null : tensorTypeOf(graph, node.inputs[0]).shape;
    if (node?.op === 'Const')
      return toNumbers(getAttr(node, 'value', 'tensor')).map((dim) => (dim < 0 ? null : dim));
    if (node?.op !== 'Identity' && node?.op !== 'Transfer') return null;
    at = node.inputs[0];
  }
  return null;
}

function checkInputs(decl: OpDecl, types: readonly TensorType[]): void {
  const last = decl.inputs.at(-1);
  const least = last?.rest ? decl.inputs.length - 1 : decl.inputs.length;
  if (types.length < least || (types.length > least && !last?.rest)) {
    const want = decl.inputs.map(({ name, rest }) => (rest ? `${name}…` : name)).join(', ');
    throw new PlacewrightError(
      'PW_OP_ARITY',
      `${decl.op} takes ${least}${last?.rest ? ' or more' : ''} inputs (${want}), not ${types.length}`,
    );
  }
  const bound = new Map<string, DType>();
  types.forEach((type, i) => {
    const input = decl.inputs[Math.min(i, decl.inputs.length - 1)];
    if (input !== undefined) checkDType(decl, input, type, bound);
  });
}

function checkDType(decl: OpDecl, input: InputDecl, type: TensorType, bound: Map<string, DType>): void {
  if (typeof input.dtype !== 'string') {
    if (!input.dtype.includes(type.dtype)) {
      throw new PlacewrightError(
        'PW_OP_DTYPE',
        `${decl.op}: input ${input.name} is ${formatType(type)}, but must be ${input.dtype.join(' or ')}`,
        { hint: 'put a Cast before it' },
      );
    }
    return;
  }
  const seen = bound.get(input.dtype);
  if (seen === undefined) bound.set(input.dtype, type.dtype);
  else if (seen !== type.dtype) {
    throw new PlacewrightError(
      'PW_OP_DTYPE',
      `${decl.op}: input ${input.name} is ${type.dtype}, but the others are ${seen}`,
      {
        hint: 'put a Cast before one of them',
      },
    );
  }
}

/** Attributes as written by hand, tagged and checked by the op's declaration, defaults filled in. Throws PW_ATTR_*. */
export function completeAttrs(decl: OpDecl, given: AttrInput): Attrs {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(decl.attrs, name)) {
      const near = nearest(name, Object.keys(decl.attrs));
      throw new PlacewrightError('PW_ATTR_UNKNOWN', `${decl.op} has no attribute ${JSON.stringify(name)}`, {
        hint:
          near === undefined
            ? `it has: ${Object.keys(decl.attrs).join(', ') || 'none'}`
            : `did you mean ${near}?`,
      });
    }
  }
  const attrs = new Map<string, Attr>();
  for (const [name, spec] of Object.entries(decl.attrs)) {
    const value = Object.hasOwn(given, name) ? given[name] : spec.default;
    if (value === undefined) {
      throw new PlacewrightError(
        'PW_ATTR_MISSING',
        `${decl.op} lacks its attribute ${JSON.stringify(name)} (${spec.kind})`,
      );
    }
    attrs.set(name, checkAttr(decl, name, spec, value));
  }
  return attrs;
}

function checkAttr(decl: OpDecl, name: string, spec: AttrDecl, value: AttrValue<AttrKind>): Attr {
  const attr = { kind: spec.kind, value } as Attr;
  if (!attrFits(attr)) {
    throw new PlacewrightError(
      'PW_ATTR_TYPE',
      `attribute ${JSON.stringify(name)} of ${decl.op} must be ${spec.kind}`,
    );
  }
  if (spec.oneOf !== undefined && !spec.oneOf.includes(String(value))) {
    throw new PlacewrightError(
      'PW_ATTR_VALUE',
      `attribute ${JSON.stringify(name)} of ${decl.op} cannot be ${JSON.stringify(value)}`,
      {
        hint: `one of ${spec.oneOf.join(', ')}`,
      },
    );
  }
  return attr;
}

/** Whether a tagged value holds what its tag says. */
export function attrFits({ kind, value }: Attr): boolean {
  switch (kind) {
    case 'int':
      return Number.isSafeInteger(value);
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'string':
    case 'dtype':
      return typeof value === 'string';
    case 'shape':
      return (
        Array.isArray(value) &&
        value.every((dim) => dim === null || (Number.isSafeInteger(dim) && Number(dim) >= 0))
      );
    case 'ints':
      return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));
    case 'floats':
      return Array.isArray(value) && value.every((item) => typeof item === 'number');
    case 'strings':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'tensor':
      return typeof value === 'object' && value !== null && 'data' in value;
  }
}
