import { type BufferResource, isBuffer, putsIntoBuffer, takenTypes, takesFromBuffer } from '../buffers.js';
import type { Node, Resource, VariableResource } from '../graph.js';
import type { ResourceEffect } from '../op.js';
import { compatible, formatType, type TensorType } from '../shape.js';
import {
  type Invariant,
  nodeViolation,
  resourceViolation,
  shownNode,
  shownResource,
  type VerifyContext,
  type Violation,
} from './invariant.js';

const NAME = 'resources-well-formed';

/** Each op acts on as many resources as it says, of the right kinds, with values that fit them. */
export const resourcesWellFormed: Invariant = {
  name: NAME,
  summary: 'each op has the resources that its effect says, and what it puts into them fits',
  from: 'always',
  needs: ['edges-exist'],
  check: (context) => {
    const out: Violation[] = [];
    for (const resource of context.module.resources.values()) out.push(...resourceFaults(context, resource));
    for (const node of context.module.graph.nodes.values()) out.push(...nodeFaults(context, node));
    return out;
  },
};

function resourceFaults({ module }: VerifyContext, resource: Resource): Violation[] {
  const report = (what: string, hint: string): Violation[] => [
    resourceViolation(NAME, resource, `${shownResource(resource)} ${what}`, hint),
  ];
  switch (resource.kind) {
    case 'variable': {
      const of = resource.slotOf === null ? undefined : module.resources.get(resource.slotOf);
      if (of === undefined || (of.kind === 'variable' && of.slotOf === null)) return [];
      const what = of.kind === 'variable' ? 'itself a slot' : `a ${of.kind}`;
      return report(`is a slot of ${shownResource(of)}, which is ${what}`, 'slots belong to variables');
    }
    case 'stagingArea':
    case 'queue':
      return isPositive(resource.capacity)
        ? []
        : report(`has capacity ${resource.capacity}`, 'give 1 or more');
    case 'barrier':
      return isPositive(resource.parties) ? [] : report(`has ${resource.parties} parties`, 'give 1 or more');
  }
}

const isPositive = (count: number): boolean => Number.isSafeInteger(count) && count >= 1;

const NO_EFFECTS: readonly ResourceEffect[] = [];
const NO_FAULTS: readonly Violation[] = [];

function nodeFaults(context: VerifyContext, node: Node): readonly Violation[] {
  const decl = context.decl(node);
  if (decl === null) return NO_FAULTS;
  const effects = decl.effect.kind === 'resources' ? decl.effect.effects : NO_EFFECTS;
  if (node.resources.length !== effects.length) {
    const what = `acts on ${node.resources.length} resources, but ${node.op} takes ${effects.length}`;
    return [fault(node, what, `see the declaration of ${node.op}`)];
  }
  if (effects.length === 0) return NO_FAULTS;
  const resources = node.resources.map((id) => context.module.resources.get(id));
  if (new Set(resources).size < resources.length) {
    return [fault(node, 'acts on one resource twice', 'a variable and its slots are resources of their own')];
  }
  const wrong = effects.flatMap((effect, i) => {
    const resource = resources[i];
    const kinds = effect === 'read' || effect === 'write' ? ['variable'] : bufferKinds(node.op);
    if (resource === undefined || kinds.includes(resource.kind)) return [];
    const what = `(${node.op}) acts on the ${resource.kind} ${shownResource(resource)}`;
    return [fault(node, what, `it takes a ${kinds.join(' or ')} there`)];
  });
  return wrong.length > 0 ? wrong : valueFaults(context, node, resources);
}

function fault(node: Node, what: string, hint: string): Violation {
  return nodeViolation(NAME, node, `${shownNode(node)} ${what}`, hint);
}

function bufferKinds(op: string): readonly Resource['kind'][] {
  switch (op) {
    case 'Stage':
    case 'Unstage':
      return ['stagingArea'];
    case 'QueueEnqueueV2':
    case 'QueueDequeueV2':
    case 'QueueDequeueManyV2':
      return ['queue'];
    case 'Barrier':
      return ['barrier'];
    default:
      return ['stagingArea', 'queue', 'barrier'];
  }
}

/** Which input of an op must fit its variable, and all the variable's slots with it. */
const ASSIGNED_INPUT: ReadonlyMap<string, number> = new Map([
  ['AssignVariableOp', 0],
  ['AssignAddVariableOp', 0],
  ['AssignSubVariableOp', 0],
  ['ResourceApplyGradientDescent', 1],
  ['ResourceApplyMomentum', 1],
  ['ResourceApplyRMSProp', 4],
]);

function valueFaults(
  context: VerifyContext,
  node: Node,
  resources: readonly (Resource | undefined)[],
): Violation[] {
  const [first] = resources;
  if (isBuffer(first)) return bufferFaults(context, node, first);
  const index = ASSIGNED_INPUT.get(node.op);
  if (index === undefined) return [];
  const value = inputType(context, node, index);
  if (value === undefined) return [];
  return resources
    .filter((resource): resource is VariableResource => resource?.kind === 'variable')
    .filter((variable) => !fits(value, variable))
    .map((variable) =>
      fault(
        node,
        `puts ${formatType(value)} into ${shownResource(variable)}, which is ${formatType(variable)}`,
        'a value has the type and shape of its variable, and so have the slots',
      ),
    );
}

function inputType({ module }: VerifyContext, node: Node, index: number): TensorType | undefined {
  const ref = node.inputs[index];
  return ref === undefined ? undefined : module.graph.nodes.get(ref.node)?.outputs[ref.port];
}

const fits = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && compatible(a.shape, b.shape);

function bufferFaults(context: VerifyContext, node: Node, buffer: BufferResource): Violation[] {
  const puts = putsIntoBuffer(node.op);
  const types = puts
    ? node.inputs.map((_, i) => inputType(context, node, i))
    : takesFromBuffer(node.op)
      ? node.outputs
      : null;
  if (types === null) return [];
  const held = puts ? buffer.types : takenTypes(buffer.types, node);
  const same = types.length === held.length && types.every((type, i) => typeFits(type, held[i]));
  if (same) return [];
  const list = (all: readonly (TensorType | undefined)[]): string =>
    `(${all.map((type) => (type === undefined ? '?' : formatType(type))).join(', ')})`;
  const what = `${puts ? 'puts' : 'gets'} ${list(types)}, but ${shownResource(buffer)} holds ${list(held)}`;
  return [fault(node, what, 'give it the types of what is put into it')];
}

const typeFits = (a: TensorType | undefined, b: TensorType | undefined): boolean =>
  a !== undefined && b !== undefined && fits(a, b);
