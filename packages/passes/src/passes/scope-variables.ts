import {
  type Attr,
  edit,
  type GraphEditor,
  type Module,
  type Node,
  type NodeId,
  nodeOf,
  PlacewrightError,
  predecessors,
  type ResourceId,
  type Role,
  resourceName,
  topologicalOrder,
  type VariableResource,
} from '@placewright/ir';
import { definePass } from '../pass.js';
import { rolesOf } from '../roles.js';

const PASS = 'scope-variables';
type Sets = 'shared' | 'perTower';
type Collection = VariableResource['collection'];
/** A tower's variables by those of the model. */
type VariableSet = ReadonlyMap<ResourceId, ResourceId>;
export type SavedChoice = 'all' | 'tower0' | 'shadows';

interface Options extends Record<string, string> {
  sets: Sets;
  saved: SavedChoice;
  collection: Collection;
}

/**
 * Decides how many sets of variables there are: one that all towers share (`v/…`), or one per tower (`v0/…`, `v1/…`),
 * each with initial values of its own. Variables that no tower uses (`global_step`) stand outside of the scopes.
 *
 * With `collection=global` a variable is in the collection that its definition names, which is the global one where it
 * names none. With `collection=local` all variables of the towers are local to their task
 * (`OverrideToLocalVariableIfNotPsVar`), whatever their definition names; what stands outside of the scopes, and shadow
 * variables, which are made later, are left as they are.
 */
export const scopeVariables = definePass<Options>({
  name: PASS,
  summary: 'gives the variables their scopes: one set for all towers, or one per tower',
  options: {
    sets: {
      summary: 'one set of variables, or one per tower',
      default: 'shared',
      oneOf: ['shared', 'perTower'],
    },
    saved: {
      summary: 'which sets a checkpoint holds',
      default: 'all',
      oneOf: ['all', 'tower0', 'shadows'],
    },
    collection: {
      summary: "whether the towers' variables stay in the collections of their definitions, or become local",
      default: 'global',
      oneOf: ['global', 'local'],
    },
  },
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, { sets, saved, collection }, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const used = towerVariables(module);
      if (sets === 'shared') shareVariables(editor, used);
      else splitVariables(module, editor, used, saved);
      if (collection === 'local') makeLocal(editor);
      checkNames(editor);
    }),
});

/** Variables that some tower's nodes act on, in order of creation. */
function towerVariables(module: Module): VariableResource[] {
  const ids = new Set<ResourceId>();
  for (const node of module.graph.nodes.values())
    if (node.replica !== null) for (const id of node.resources) ids.add(id);
  return [...module.resources.values()].filter(
    (r): r is VariableResource => r.kind === 'variable' && ids.has(r.id),
  );
}

function makeLocal(editor: GraphEditor): void {
  const why = { reason: "a tower's variables are local to its task" };
  for (const resource of [...editor.resources.values()]) {
    if (resource.kind !== 'variable' || resource.scope === '' || resource.collection === 'local') continue;
    editor.updateResource<VariableResource>(resource.id, { collection: 'local' }, why);
  }
}

/** A variable outside of the scopes must not be called as one inside is. */
function checkNames(editor: GraphEditor): void {
  const seen = new Map<string, VariableResource>();
  for (const resource of editor.resources.values()) {
    if (resource.kind !== 'variable') continue;
    const shown = resourceName(resource);
    const other = seen.get(shown);
    seen.set(shown, resource);
    if (other === undefined) continue;
    const names = [other, resource].map(({ name }) => JSON.stringify(name)).join(' and ');
    throw new PlacewrightError(
      'PW_VARIABLE_NAME',
      `variables ${names} would both be called ${JSON.stringify(shown)}`,
      {
        hint: 'rename the variable whose own name begins like a scope of the towers (`v/`, `v0/`)',
      },
    );
  }
}

function shareVariables(editor: GraphEditor, variables: readonly VariableResource[]): void {
  for (const variable of variables) {
    const update = { scope: 'v', savedAs: `v/${variable.name}` };
    editor.updateResource<VariableResource>(variable.id, update, {
      reason: 'all towers share one set of variables',
    });
  }
}

function splitVariables(
  module: Module,
  editor: GraphEditor,
  variables: readonly VariableResource[],
  saved: SavedChoice,
): void {
  const sets = Array.from({ length: module.towers }, () => new Map<ResourceId, ResourceId>());
  for (let tower = 0; tower < module.towers; tower++) {
    for (const variable of variables) {
      const scope = `v${tower}`;
      const update = {
        scope,
        replica: tower,
        savedAs: saved === 'all' || tower === 0 ? `${scope}/${variable.name}` : null,
      };
      const why = { reason: `each tower has variables of its own; this one is tower ${tower}'s` };
      if (tower === 0) editor.updateResource<VariableResource>(variable.id, update, why);
      const id =
        tower === 0 ? variable.id : editor.addResource({ ...withoutIdentity(variable), ...update }, why);
      sets[tower]?.set(variable.id, id);
    }
  }
  for (const node of module.graph.nodes.values()) {
    const set = node.replica === null ? undefined : sets[node.replica];
    if (set === undefined || node.replica === 0 || node.resources.length === 0) continue;
    const resources = node.resources.map((id) => set.get(id) ?? id);
    editor.updateNode(node.id, { resources }, { reason: `acts on the variables of tower ${node.replica}` });
  }
  copyInitializers(module, editor, sets);
}

function withoutIdentity({
  id: _,
  origin: __,
  ...rest
}: VariableResource): Omit<VariableResource, 'id' | 'origin'> {
  return rest;
}

/** Gives the variables of later towers initial values, drawn with the tower's number as second seed. */
function copyInitializers(module: Module, editor: GraphEditor, sets: readonly VariableSet[]): void {
  const copying = { module, editor, sets, copies: sets.map(() => new Map<NodeId, NodeId>()) };
  const roles: Role[] = [];
  for (const role of rolesOf(module, 'initializer')) {
    if (!nodeOf(module.graph, role.node).resources.some((id) => sets[0]?.has(id))) {
      roles.push(role);
      continue;
    }
    const added = uncopied(copying, role.node);
    for (const [replica, copies] of copying.copies.entries()) {
      for (const node of added) copyForTower(copying, node, replica, role.node);
      roles.push({ ...role, replica, node: copies.get(role.node) ?? role.node });
    }
  }
  const why = { reason: 'each set of variables has initial values of its own' };
  editor.setRoles([...roles, ...editor.roles.filter(({ kind }) => kind !== 'initializer')], why);
  const init = module.entries.init;
  const targets = roles.flatMap((role) => (role.kind === 'initializer' ? [role.node] : []));
  if (init !== undefined) editor.setEntry({ ...init, rounds: [targets] }, why);
}

/** Copies of initial values, each made once for a tower, however many variables start from it. */
interface Copying {
  readonly module: Module;
  readonly editor: GraphEditor;
  readonly sets: readonly VariableSet[];
  /** Per tower, the copy of each original node. */
  readonly copies: readonly Map<NodeId, NodeId>[];
}

/**
 * What an initial value needs and no tower has yet, in topological order. What acts on variables outside of the towers
 * is not the towers' own, and neither is what that needs.
 */
function uncopied({ module, sets, copies }: Copying, assign: NodeId): Node[] {
  const isShared = ({ resources }: Node): boolean =>
    resources.length > 0 && !resources.some((id) => sets[0]?.has(id));
  const few = new Map<NodeId, Node>();
  const open = [assign];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = nodeOf(module.graph, id);
    if (few.has(id) || copies[0]?.has(id) || isShared(node)) continue;
    few.set(id, node);
    open.push(...predecessors(node));
  }
  return topologicalOrder({ nodes: few });
}

function copyForTower(copying: Copying, node: Node, replica: number, assign: NodeId): void {
  const { editor } = copying;
  const why = { reason: `initial value of tower ${replica}'s variable`, from: [assign] };
  const copies = copying.copies[replica];
  const set = copying.sets[replica];
  if (replica === 0) {
    editor.updateNode(node.id, { replica }, why);
    copies?.set(node.id, node.id);
    return;
  }
  const own = (id: NodeId): NodeId => copies?.get(id) ?? id;
  const { op, name, outputs, variable, phase, group, device } = node;
  const rawAttrs = node.attrs.has('seed2')
    ? new Map<string, Attr>([...node.attrs, ['seed2', { kind: 'int', value: replica }]])
    : node.attrs;
  const inputs = node.inputs.map((ref) => ({ ...ref, node: own(ref.node) }));
  const controls = node.controls.map(own);
  const resources = node.resources.map((id) => set?.get(id) ?? id);
  const colocation = node.colocation === null ? null : `${node.colocation}/tower_${replica}`;
  const edges = { inputs, controls, resources };
  const spec = { op, name, ...edges, rawAttrs, outputs, replica, variable, phase, group, device, colocation };
  copies?.set(node.id, editor.addNode(spec, why));
}
