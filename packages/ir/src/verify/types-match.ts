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
      const fault = decl === null ? null : nodeFault(context, node, decl);
      if (fault !== null) out.push(fault);
    }
    return out;
  },
};

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
