import type { Entry, Module, Node, NodeId, Role, TensorRef } from '../graph.js';
import {
  type Invariant,
  moduleViolation,
  nodeViolation,
  resourceViolation,
  shownNode,
  shownResource,
  type Violation,
} from './invariant.js';

const NAME = 'edges-exist';
const HINT = 'the node was removed or has fewer outputs: mend all uses of what is removed';

/** Every id that a node, resource, entry or role names exists, and so does every port. */
export const edgesExist: Invariant = {
  name: NAME,
  summary: 'every input, control, resource, entry and role names something that exists',
  from: 'always',
  needs: [],
  check: ({ module }) => [
    ...nodeEdges(module),
    ...slots(module),
    ...Object.values(module.entries).flatMap((entry) => entryEdges(module, entry)),
    ...roleEdges(module),
  ],
};

const hasNode = (module: Module, id: NodeId): boolean => module.graph.nodes.has(id);

function hasTensor(module: Module, { node, port }: TensorRef): boolean {
  return module.graph.nodes.get(node)?.outputs[port] !== undefined;
}

function nodeEdges(module: Module): Violation[] {
  const out: Violation[] = [];
  for (const [id, node] of module.graph.nodes) {
    const report = (what: string): void => {
      out.push(nodeViolation(NAME, node, `${shownNode(node)} ${what}`, HINT));
    };
    if (id !== node.id) report(`is kept as ${id}, but calls itself ${node.id}`);
    checkNode(module, node, report);
  }
  return out;
}

function checkNode(module: Module, node: Node, report: (what: string) => void): void {
  for (let i = 0; i < node.inputs.length; i++) {
    const ref = node.inputs[i];
    if (ref !== undefined && !hasTensor(module, ref)) {
      report(`takes %${ref.node}:${ref.port} as input ${i}, which does not exist`);
    }
  }
  for (const id of node.controls) {
    if (!hasNode(module, id)) report(`waits for %${id}, which does not exist`);
  }
  for (const id of node.resources) {
    if (!module.resources.has(id)) report(`acts on the resource %${id}, which does not exist`);
  }
}

function slots(module: Module): Violation[] {
  const out: Violation[] = [];
  for (const [id, resource] of module.resources) {
    const report = (what: string): void => {
      out.push(resourceViolation(NAME, resource, `${shownResource(resource)} ${what}`, HINT));
    };
    if (id !== resource.id) report(`is kept as ${id}, but calls itself ${resource.id}`);
    const slotOf = resource.kind === 'variable' ? resource.slotOf : null;
    if (slotOf !== null && !module.resources.has(slotOf))
      report(`is a slot of %${slotOf}, which does not exist`);
  }
  return out;
}

function entryEdges(module: Module, entry: Entry): Violation[] {
  const missing: string[] = [];
  for (const { name, node } of entry.feeds)
    if (!hasNode(module, node)) missing.push(`feed ${JSON.stringify(name)} is %${node}`);
  for (const { name, tensor } of entry.fetches) {
    if (!hasTensor(module, tensor))
      missing.push(`fetch ${JSON.stringify(name)} is %${tensor.node}:${tensor.port}`);
  }
  for (const id of new Set(entry.rounds.flat())) if (!hasNode(module, id)) missing.push(`a target is %${id}`);
  return missing.map((what) =>
    moduleViolation(NAME, `entry ${entry.name}: ${what}, which does not exist`, HINT),
  );
}

function roleEdges(module: Module): Violation[] {
  return module.roles
    .filter((role) => !roleExists(module, role))
    .map((role) => moduleViolation(NAME, `${describe(role)} does not exist`, HINT));
}

function roleExists(module: Module, role: Role): boolean {
  return 'tensor' in role ? hasTensor(module, role.tensor) : hasNode(module, role.node);
}

function describe(role: Role): string {
  const of = 'variable' in role ? ` of ${JSON.stringify(role.variable)}` : '';
  return `role ${role.kind}${of}: %${'tensor' in role ? `${role.tensor.node}:${role.tensor.port}` : role.node}`;
}
