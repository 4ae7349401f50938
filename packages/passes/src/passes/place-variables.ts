import {
  ancestors,
  clusterDevices,
  type Decision,
  type DeviceName,
  deviceMatches,
  edit,
  formatDevice,
  type GraphEditor,
  type Module,
  mergeDevices,
  PlacewrightError,
  PS_JOB,
  parseDevice,
  resourceName,
  type VariableResource,
} from '@placewright/ir';
import {
  BALANCING,
  balance,
  inTurn,
  turnsEach,
  turnsTaken,
  variableBytes,
  variableElements,
} from '../balancers.js';
import { hostDevice, needServers, type Site, towerDevices } from '../devices.js';
import { definePass } from '../pass.js';
import { rolesOf } from '../roles.js';

const PASS = 'place-variables';
export const VARIABLE_HOMES = ['tower', 'parameterDevice', 'leastElements', 'leastBytes'] as const;
export type VariableHome = (typeof VARIABLE_HOMES)[number];
export const COUNTER_HOMES = ['host', 'parameterServers'] as const;
export type CounterHome = (typeof COUNTER_HOMES)[number];

interface Options extends Record<string, string> {
  home: VariableHome;
  counters: CounterHome;
  parameterDevice: string;
}

/**
 * Gives every variable its device, and with it the ops that act on it and its initial value.
 * `tower`: its tower's device. `parameterDevice`: the one given. `leastElements`: the tower device with the fewest
 * elements so far (`ParamServerDeviceSetter`; elements, not bytes; each tower has counts of its own, and a shared
 * variable is the first tower's). `leastBytes`: the parameter server with the fewest bytes so far (TensorFlow's greedy
 * strategy). Variables come in order of creation, and of equals the first is taken.
 * Variables outside of the towers' scopes pass these by: to the host, or to the parameter servers in turn.
 * A variable that came with a device keeps it, missing parts filled in. As in the original, `leastElements` then does
 * not count it, while the strategies of the parameter servers do, where the device could be a parameter server's.
 * Throws PW_CLUSTER_NO_PS, PW_VARIABLE_DEVICE, PW_VARIABLE_SHAPE.
 */
export const placeVariables = definePass<Options>({
  name: PASS,
  summary: 'gives every variable, and the ops that act on it, a device',
  options: {
    home: { summary: 'where variables live', default: 'tower', oneOf: VARIABLE_HOMES },
    counters: {
      summary: 'where variables outside of the towers live, global_step',
      default: 'host',
      oneOf: COUNTER_HOMES,
    },
    parameterDevice: {
      summary: 'the device of all variables with home=parameterDevice',
      default: '/device:CPU:0',
    },
  },
  requires: [],
  establishes: ['resource-colocated'],
  preserves: 'all',
  run: (module, options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const devices = clusterDevices(site.cluster);
      const inside = homeRule(options, site);
      const outside = counterRule(options, module, site);
      for (const variable of module.resources.values()) {
        if (variable.kind !== 'variable') continue;
        const option = variable.scope === '' ? `counters=${options.counters}` : `home=${options.home}`;
        const proposal = variable.scope === '' ? outside(variable) : inside(variable);
        const device = settle(editor, variable, { ...proposal, option }, devices);
        editor.updateResource(variable.id, { device }, { reason: option });
      }
      followVariables(module, editor);
    }),
});

/** Where a rule would have a variable, were it not for a device of its own. */
type Proposal = Pick<Decision, 'chosen' | 'rule' | 'candidates'> & {
  /** Whether a balancer counts it there, whatever device it has. */
  readonly counted?: boolean;
};
type Rule = (variable: VariableResource) => Proposal;

function homeRule({ home, parameterDevice }: Options, site: Site): Rule {
  const host = hostDevice(site);
  const towers = towerDevices(site);
  switch (home) {
    case 'tower':
      return ({ replica }) => plain(towers[replica ?? 0] ?? host, "its tower's device");
    case 'parameterDevice':
      return () => plain(parameterDevice, 'the parameter device');
    case 'leastElements':
      return leastElements(towers);
    case 'leastBytes':
      // A device of another job is filled in from where `replica_device_setter` computes: the tower that asks first.
      return leastBytes(needServers(site), towers[0] ?? host);
  }
}

function counterRule({ counters }: Options, { decisions }: Module, site: Site): Rule {
  const host = hostDevice(site);
  switch (counters) {
    case 'host':
      return () => plain(host, 'a variable outside of the towers goes to the host');
    case 'parameterServers':
      return serversInTurn(needServers(site), turnsTaken(decisions), host);
  }
}

function plain(chosen: DeviceName, rule: string): Proposal {
  return { chosen, rule, candidates: [] };
}

function leastElements(towers: readonly DeviceName[]): Rule {
  const counts = new Map<number, readonly number[]>();
  return (variable) => {
    const tower = variable.replica ?? 0;
    const before = counts.get(tower) ?? towers.map(() => 0);
    const { at, loads } = balance(before, variableElements(variable));
    const counted = variable.device === '';
    counts.set(tower, counted ? loads : before);
    return proposal(towers, before, at, BALANCING.leastElements, counted);
  };
}

function leastBytes(devices: readonly DeviceName[], tower: DeviceName): Rule {
  let before: readonly number[] = devices.map(() => 0);
  return (variable) => {
    const candidates = withLoads(devices, before);
    if (!mayBeServer(variable.device)) return { ...plain(tower, 'beside tower 0'), candidates };
    const { at, loads } = balance(before, variableBytes(variable));
    const found = proposal(devices, before, at, BALANCING.leastBytes, true);
    before = loads;
    return found;
  };
}

function serversInTurn(devices: readonly DeviceName[], taken: number, host: DeviceName): Rule {
  let turns = taken;
  return ({ device }) => {
    if (!mayBeServer(device)) return plain(host, 'beside the host');
    const n = devices.length;
    const at = inTurn(turns, n);
    const found = proposal(devices, turnsEach(turns, n), at, BALANCING.inTurn, true);
    turns += 1;
    return found;
  };
}

/** Whether `replica_device_setter` looks for a parameter server: the name says no job, or theirs. */
function mayBeServer(device: DeviceName): boolean {
  const { job = PS_JOB } = parseDevice(device);
  return job === PS_JOB;
}

function proposal(
  devices: readonly DeviceName[],
  loads: readonly number[],
  at: number,
  rule: string,
  counted: boolean,
): Proposal {
  return { chosen: devices[at] ?? '', rule, candidates: withLoads(devices, loads), counted };
}

function withLoads(devices: readonly DeviceName[], loads: readonly number[]): Decision['candidates'] {
  return devices.map((name, i) => ({ name, load: loads[i] ?? 0 }));
}

/** Decides between the rule and the device that a variable came with, and records both where both count. */
function settle(
  editor: GraphEditor,
  variable: VariableResource,
  { counted = false, ...found }: Proposal & { readonly option: string },
  devices: readonly DeviceName[],
): DeviceName {
  const record = (decision: Omit<Decision, 'pass' | 'about' | 'subject'>): void =>
    editor.decide({ about: 'device', subject: variable.id, ...decision });
  if (variable.device === '') {
    record(found);
    return found.chosen;
  }
  const chosen = ownDevice(variable, found.chosen, devices);
  if (counted) record(found);
  const rule = 'the device it came with, missing parts filled in';
  record({ ...found, chosen, rule, candidates: counted ? [] : found.candidates });
  return chosen;
}

/** A variable's own device, its missing parts taken from the device that it would have had. */
function ownDevice(
  variable: VariableResource,
  beside: DeviceName,
  devices: readonly DeviceName[],
): DeviceName {
  const { replica: _, ...own } = parseDevice(variable.device);
  const wished = formatDevice(own);
  const merged = mergeDevices(wished, beside);
  // A task of its own has devices of its own: what the other would fill in need not exist there.
  const pattern = own.job === undefined ? merged : wished;
  const found =
    devices.find((name) => deviceMatches(name, merged)) ??
    devices.find((name) => deviceMatches(name, pattern));
  if (found !== undefined) return found;
  throw new PlacewrightError(
    'PW_VARIABLE_DEVICE',
    `variable ${JSON.stringify(resourceName(variable))} asks for ${variable.device}, which beside ${beside} would be ${merged}, and there is no such device`,
    { hint: 'name the job and the task of its device too, or none of it' },
  );
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
