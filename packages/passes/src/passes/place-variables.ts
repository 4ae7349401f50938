import {
  ancestors,
  type DeviceName,
  edit,
  elementCount,
  type GraphEditor,
  type Module,
  mergeDevices,
  type VariableResource,
} from '@placewright/ir';
import { hostDevice, towerDevices } from '../devices.js';
import { definePass } from '../pass.js';
import { rolesOf } from '../roles.js';

const PASS = 'place-variables';
export const VARIABLE_HOMES = ['tower', 'parameterDevice', 'leastElements', 'leastBytes'] as const;
export type VariableHome = (typeof VARIABLE_HOMES)[number];

/**
 * Gives every variable its device, and with it the ops that act on it and its initial value.
 * `tower`: its tower's device. `parameterDevice`: the one given. `leastElements`: the tower device with the fewest
 * elements so far, lowest index on a tie, variables in order of creation (`ParamServerDeviceSetter`; elements, not bytes).
 * Variables outside of the towers' scopes go to the host. A variable that came with a device keeps it.
 */
export const placeVariables = definePass<{ home: VariableHome; parameterDevice: string }>({
  name: PASS,
  summary: 'gives every variable, and the ops that act on it, a device',
  options: {
    home: { summary: 'where variables live', default: 'tower', oneOf: VARIABLE_HOMES },
    parameterDevice: {
      summary: 'the device of all variables with home=parameterDevice',
      default: '/device:CPU:0',
    },
  },
  requires: [],
  establishes: ['resource-colocated'],
  preserves: 'all',
  run: (module, { home, parameterDevice }, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const towers = towerDevices(site);
      const choose = chooser(editor, home, towers, parameterDevice, hostDevice(site));
      for (const resource of module.resources.values()) {
        if (resource.kind !== 'variable') continue;
        const device = choose(resource);
        editor.updateResource(resource.id, { device }, { reason: `home=${home}` });
      }
      followVariables(module, editor);
    }),
});

function chooser(
  editor: GraphEditor,
  home: VariableHome,
  towers: readonly DeviceName[],
  parameterDevice: DeviceName,
  host: DeviceName,
): (variable: VariableResource) => DeviceName {
  const loads = towers.map((name) => ({ name, load: 0 }));
  const decide = (
    variable: VariableResource,
    chosen: DeviceName,
    rule: string,
    candidates: typeof loads = [],
  ): DeviceName => {
    const device = mergeDevices(variable.device, chosen);
    const kept = variable.device !== '' && device !== chosen;
    editor.decide({
      about: 'device',
      subject: variable.id,
      chosen: device,
      candidates: candidates.map((candidate) => ({ ...candidate })),
      rule: kept ? 'the device it came with, missing parts filled in' : rule,
      option: `home=${home}`,
    });
    return device;
  };
  return (variable) => {
    if (variable.scope === '')
      return decide(variable, host, 'a variable outside of the towers goes to the host');
    switch (home) {
      case 'tower':
        return decide(variable, towers[variable.replica ?? 0] ?? host, "its tower's device");
      case 'parameterDevice':
        return decide(variable, parameterDevice, 'the parameter device');
      case 'leastBytes':
        return decide(variable, host, 'not placed yet');
      case 'leastElements': {
        let least = 0;
        loads.forEach(({ load }, i) => {
          if (load < (loads[least]?.load ?? 0)) least = i;
        });
        const chosen = loads[least];
        if (chosen === undefined) return decide(variable, host, 'there is no tower');
        const device = decide(variable, chosen.name, 'fewest elements so far, lowest index on a tie', loads);
        // A variable with a device of its own is not the balancer's.
        if (device === chosen.name) chosen.load += elementCount(variable.shape) ?? 0;
        return device;
      }
    }
  };
}

/** Puts each op on its variable's device, and initial values beside the assignment that takes them. */
function followVariables(module: Module, editor: GraphEditor): void {
  for (const { node } of rolesOf(module, 'initializer')) {
    const [first] = editor.node(node).resources;
    if (first === undefined) continue;
    const { device } = editor.resource(first);
    for (const id of ancestors(module.graph, [node])) {
      const before = editor.node(id);
      if (before.resources.length > 0) continue;
      editor.updateNode(
        id,
        { device: mergeDevices(before.device, device) },
        { reason: 'initial value, made beside its variable' },
      );
    }
  }
  for (const node of module.graph.nodes.values()) {
    const [first] = node.resources;
    if (first === undefined) continue;
    editor.updateNode(
      node.id,
      { device: editor.resource(first).device },
      { reason: "on its variable's device" },
    );
  }
}
