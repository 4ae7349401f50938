import {
  type Attr,
  ancestors,
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  nodeOf,
  PlacewrightError,
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
function copyInitializers(
  module: Module,
  editor: GraphEditor,
  sets: readonly ReadonlyMap<ResourceId, ResourceId>[],
): void {
  const roles: Role[] = [];
  for (const role of rolesOf(module, 'initializer')) {
    const [variable] = nodeOf(module.graph, role.node).resources;
    if (variable === undefined || !sets[0]?.has(variable)) {
      roles.push(role);
      continue;
    }
    sets.forEach((set, replica) => {
      const id = set.get(variable) ?? variable;
      const node = copyInitializer(module, editor, role.node, id, replica);
      roles.push({ ...role, replica, node });
    });
  }
  const why = { reason: 'each set of variables has initial values of its own' };
  editor.setRoles([...roles, ...editor.roles.filter(({ kind }) => kind !== 'initializer')], why);
  const init = module.entries.init;
  const targets = roles.flatMap((role) => (role.kind === 'initializer' ? [role.node] : []));
  if (init !== undefined) editor.setEntry({ ...init, rounds: [targets] }, why);
}

function copyInitializer(
  module: Module,
  editor: GraphEditor,
  assign: NodeId,
  variable: ResourceId,
  replica: number,
): NodeId {
  const why = { reason: `initial value of tower ${replica}'s variable`, from: [assign] };
  // By its few nodes, not by a scan of the graph for each variable.
  const few = [...ancestors(module.graph, [assign])].map((id) => nodeOf(module.graph, id));
  const order = topologicalOrder({ nodes: new Map(few.map((node) => [node.id, node])) });
  const copies = new Map<NodeId, NodeId>();
  for (const node of order) {
    if (replica === 0) {
      editor.updateNode(node.id, { replica }, why);
      copies.set(node.id, node.id);
      continue;
    }
    const { op, name, outputs, phase, group, device } = node;
    const rawAttrs = node.attrs.has('seed2')
      ? new Map<string, Attr>([...node.attrs, ['seed2', { kind: 'int', value: replica }]])
      : node.attrs;
    const inputs = node.inputs.map((ref) => ({ ...ref, node: copies.get(ref.node) ?? ref.node }));
    const resources = node.resources.length === 0 ? [] : [variable];
    const spec = {
      op,
      name,
      inputs,
      rawAttrs,
      outputs,
      resources,
      replica,
      variable: node.variable,
      phase,
      group,
      device,
    };
    copies.set(node.id, editor.addNode(spec, why));
  }
  return copies.get(assign) ?? assign;
}
