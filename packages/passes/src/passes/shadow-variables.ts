import {
  type DeviceName,
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  nodeOf,
  PlacewrightError,
  resourceName,
  type TensorRef,
  type VariableResource,
} from '@placewright/ir';
import { BALANCING, inTurn, turnsTaken } from '../balancers.js';
import { needServers } from '../devices.js';
import { definePass } from '../pass.js';
import { gradientsByVariable, rolesOf, shownVariableNames, variableFinder } from '../roles.js';
import type { SavedChoice } from './scope-variables.js';

const PASS = 'shadow-variables';

/** What the scopes of shadows begin with. */
const PREFIX = 'ps_var';

/**
 * Gives every trainable variable a shadow on the parameter servers, `ps_var/v0/…`, which all workers update. Shadows
 * come in the order of the gradients, on the servers in turn after what was placed so before (`global_step`), whatever
 * their size, and start from the initial value of tower 0's variable. With saved=shadows a checkpoint holds the shadow
 * under tower 0's key. Throws PW_CLUSTER_NO_PS, PW_VARIABLE_NAME.
 */
export const shadowVariables = definePass<{ saved: SavedChoice }>({
  name: PASS,
  summary: 'gives every trainable variable a shadow on the parameter servers',
  options: {
    saved: {
      summary: 'which sets a checkpoint holds',
      default: 'shadows',
      oneOf: ['all', 'tower0', 'shadows'],
    },
  },
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, { saved }, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const servers = needServers(site);
      const find = variableFinder(module);
      const names = shownVariableNames(module);
      const values = initialValues(module);
      const started: NodeId[] = [];
      let turns = turnsTaken(module.decisions);
      for (const [variable, [first]] of gradientsByVariable(module)) {
        const source = find({ variable, replica: first?.replica ?? null });
        const shadow = addShadow(editor, source, servers, turns, saved);
        checkName(names, shadow);
        const value = values.get(source.id);
        if (value !== undefined) started.push(addInitializer(editor, shadow, value));
        turns += 1;
      }
      const { init } = editor.entries;
      const [round = [], ...rest] = init?.rounds ?? [];
      if (init !== undefined && started.length > 0)
        editor.setEntry(
          { ...init, rounds: [[...round, ...started], ...rest] },
          { reason: 'shadows have initial values' },
        );
    }),
});

/** The tensor that each variable starts from. */
function initialValues(module: Module): Map<VariableResource['id'], TensorRef> {
  const out = new Map<VariableResource['id'], TensorRef>();
  for (const role of rolesOf(module, 'initializer')) {
    const {
      resources: [variable],
      inputs: [value],
    } = nodeOf(module.graph, role.node);
    if (variable !== undefined && value !== undefined) out.set(variable, value);
  }
  return out;
}

function addShadow(
  editor: GraphEditor,
  source: VariableResource,
  servers: readonly DeviceName[],
  turns: number,
  saved: SavedChoice,
): VariableResource {
  const device = servers[inTurn(turns, servers.length)] ?? '';
  const scope = `${PREFIX}/${source.scope}`;
  const why = { reason: `what all workers update in place of ${resourceName(source)}` };
  const { id: _, origin: __, ...rest } = source;
  const id = editor.addResource(
    {
      ...rest,
      scope,
      device,
      replica: null,
      collection: 'global',
      savedAs: saved === 'shadows' ? source.savedAs : saved === 'all' ? `${scope}/${source.name}` : null,
    },
    why,
  );
  if (saved === 'shadows')
    editor.updateResource<VariableResource>(source.id, { savedAs: null }, { reason: 'saved by its shadow' });
  editor.decide({
    about: 'device',
    subject: id,
    chosen: device,
    candidates: servers.map((name, i) => ({ name, load: Math.ceil((turns - i) / servers.length) })),
    rule: BALANCING.inTurn,
    option: 'update=shadows',
  });
  return { ...source, id, scope, device, replica: null };
}

function addInitializer(editor: GraphEditor, shadow: VariableResource, value: TensorRef): NodeId {
  const { id, name: variable, scope, device } = shadow;
  const why = { reason: 'starts from the initial value of tower 0', from: [value.node] };
  const name = `${scope}/${variable}/Assign`;
  const common = { device, variable, phase: 'init' as const };
  const node = editor.addNode(
    { op: 'AssignVariableOp', name, inputs: [value], resources: [id], ...common },
    why,
  );
  editor.addRole({ kind: 'initializer', replica: null, variable, node }, why);
  return node;
}

/** A variable of the model that stands outside of the towers may be called as a shadow is. */
function checkName(names: Set<string>, shadow: VariableResource): void {
  const name = JSON.stringify(resourceName(shadow));
  if (names.has(resourceName(shadow))) {
    throw new PlacewrightError('PW_VARIABLE_NAME', `a variable and a shadow would both be called ${name}`, {
      hint: `rename the variable whose own name begins with ${PREFIX}/`,
    });
  }
  names.add(resourceName(shadow));
}
