import { PlacewrightError } from '../errors.js';
import type { Node, Resource } from '../graph.js';
import { attrFits, inferOutputs } from '../infer.js';
import type { OpDecl } from '../op.js';
import { formatType, sameShape, type TensorType } from '../shape.js';
import { type Invariant, nodeViolation, shownNode, type VerifyContext, type Violation } from './invariant.js';

const NAME = 'types-match';

/** Inputs and attributes fit each known op, and its outputs have the types that its shape function gives. */
export const typesMatch: Invariant = {
  name: NAME,
  summary: 'inputs and attributes fit each op, and its outputs have the types that its shape function gives',
  from: 'always',
  needs: ['edges-exist', 'acyclic'],
  check: (context) => {
    const out: Violation[] = [];
    for (const node of context.module.graph.nodes.values()) {
      const decl = context.decl(node);
      if (decl === null) continue;
      const sees = seenBy(context, node, decl);
      if (isKnownGood(node, sees)) continue;
      const fault = nodeFault(context, node, decl);
      if (fault !== null) out.push(fault);
      else good.set(node, sees);
    }
    return out;
  },
};

/**
 * What each node looked at when it was last found good. Nodes and resources never change, so one that still looks at
 * the very same needs no second look: after a pass that is nearly all of them.
 */
const good = new WeakMap<Node, readonly unknown[]>();

function isKnownGood(node: Node, sees: readonly unknown[]): boolean {
  const before = good.get(node);
  return before !== undefined && before.length === sees.length && before.every((each, i) => each === sees[i]);
}

/** The declaration, the resources, and the producers; of an int32 producer that may pass a shape on, those behind it. */
function seenBy({ module }: VerifyContext, node: Node, decl: OpDecl): unknown[] {
  const sees: unknown[] = [decl];
  for (const id of node.resources) sees.push(module.resources.get(id));
  for (const ref of node.inputs) {
    let producer = module.graph.nodes.get(ref.node);
    sees.push(producer);
    while (producer?.outputs[0]?.dtype === 'int32' && producer.inputs[0] !== undefined) {
      producer = module.graph.nodes.get(producer.inputs[0].node);
      sees.push(producer);
    }
  }
  return sees;
}

function nodeFault(context: VerifyContext, node: Node, decl: OpDecl): Violation | null {
  const see = `see the declaration of ${decl.op}`;
  const attr = attrFault(node, decl);
  if (attr !== null) {
    return nodeViolation(NAME, node, `${shownNode(node)}: ${attr}`, see);
  }
  const { module } = context;
  const resources = node.resources.flatMap((id): readonly Resource[] => {
    const resource = module.resources.get(id);
    return resource === undefined ? [] : [resource];
  });
  try {
    const inferred = inferOutputs(decl, { inputs: node.inputs, attrs: node.attrs, resources }, module.graph);
    if (sameTypes(inferred, node.outputs)) return null;
    return nodeViolation(
      NAME,
      node,
      `${shownNode(node)} (${decl.op}) gives ${typeList(inferred)}, but is said to give ${typeList(node.outputs)}`,
      'infer the types again after a change to the inputs of a node',
    );
  } catch (error) {
    if (!(error instanceof PlacewrightError)) throw error;
    return nodeViolation(NAME, node, `${shownNode(node)}: ${error.message}`, error.hint || see);
  }
}

/** What is wrong with an attribute that the op declares; attributes beyond those are let be. */
function attrFault(node: Node, decl: OpDecl): string | null {
  for (const [name, spec] of Object.entries(decl.attrs)) {
    const attr = node.attrs.get(name);
    if (attr === undefined) return `${decl.op} lacks its attribute ${name} (${spec.kind})`;
    if (attr.kind !== spec.kind || !attrFits(attr))
      return `attribute ${name} of ${decl.op} must be ${spec.kind}`;
    if (attr.kind === 'string' && spec.oneOf !== undefined && !spec.oneOf.includes(attr.value)) {
      return `attribute ${name} of ${decl.op} cannot be ${JSON.stringify(attr.value)}: one of ${spec.oneOf.join(', ')}`;
    }
  }
  return null;
}

function sameTypes(a: readonly TensorType[], b: readonly TensorType[]): boolean {
  return a.length === b.length && a.every((type, i) => sameType(type, b[i]));
}

const sameType = (a: TensorType, b: TensorType | undefined): boolean =>
  b !== undefined && a.dtype === b.dtype && sameShape(a.shape, b.shape);

const typeList = (types: readonly TensorType[]): string =>
  types.length === 0 ? 'no output' : types.map(formatType).join(', ');
