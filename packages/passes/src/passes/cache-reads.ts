import {
  type Decision,
  type DeviceName,
  edit,
  type GraphEditor,
  type Module,
  type NodeId,
  type TensorRef,
  tensorKey,
  type VariableResource,
} from '@placewright/ir';
import { BALANCING, balanceCache, SMALL_ELEMENTS, variableElements } from '../balancers.js';
import { hostDevice, towerDevices } from '../devices.js';
import { definePass } from '../pass.js';
import { readOnto, readsByVariable, replaceControls, type TowerRead } from '../reads.js';

const PASS = 'cache-reads';
export const CACHES = ['host', 'towers'] as const;
export type Caches = (typeof CACHES)[number];

/**
 * Lets the towers read each variable once a step, into a caching device that all of them take it from
 * (`OverrideCachingDevice`). Variables of fewer than 65,536 elements are kept on the host and do not count; others on
 * the device with the fewest elements so far, lowest index on a tie: of the towers' devices, or the host alone.
 * Every tower counts for itself, and all shared variables alike; the first tower's choice is the one that takes effect.
 * Updates still act on the variable. Throws PW_VARIABLE_SHAPE.
 */
export const cacheReads = definePass<{ caches: Caches }>({
  name: PASS,
  summary: 'lets the towers read each variable once, through a caching device',
  options: {
    caches: {
      summary: 'where large variables are kept: on the host, or on the least loaded tower',
      default: 'towers',
      oneOf: CACHES,
    },
  },
  requires: ['resource-colocated'],
  establishes: [],
  preserves: 'all',
  run: (module, { caches }, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const host = hostDevice(site);
      const devices = caches === 'host' ? [host] : towerDevices(site);
      const choose = chooser(editor, devices, host, `caches=${caches}`);
      const reads = readsByVariable(module);
      const tensors = new Map<string, TensorRef>();
      const nodes = new Map<NodeId, NodeId>();
      for (const variable of towerVariables(module)) {
        const device = choose(variable);
        const replaced = reads.get(variable.id) ?? [];
        if (replaced.length === 0) continue;
        const value = cache(editor, variable, replaced, device);
        for (const { node } of replaced) {
          tensors.set(tensorKey({ node: node.id, port: 0 }), value);
          nodes.set(node.id, value.node);
        }
      }
      const why = { reason: 'takes the cached value' };
      editor.replaceTensors(tensors, why);
      replaceControls(editor, nodes, why);
    }),
});

/** Variables that towers act on, in order of creation. */
function towerVariables(module: Module): VariableResource[] {
  return [...module.resources.values()].filter(
    (resource): resource is VariableResource => resource.kind === 'variable' && resource.scope !== '',
  );
}

/** Chooses the caching device of one variable after the other; each tower's own variables count for themselves. */
function chooser(
  editor: GraphEditor,
  devices: readonly DeviceName[],
  host: DeviceName,
  option: string,
): (variable: VariableResource) => DeviceName {
  const counts = new Map<number, readonly number[]>();
  return (variable) => {
    const tower = variable.replica ?? 0;
    const before = counts.get(tower) ?? devices.map(() => 0);
    const { at, loads } = balanceCache(before, variableElements(variable));
    counts.set(tower, loads);
    const chosen = (at === null ? undefined : devices[at]) ?? host;
    const candidates: Decision['candidates'] = devices.map((name, i) => ({ name, load: before[i] ?? 0 }));
    const small = `fewer than ${SMALL_ELEMENTS} elements: on the host, not counted`;
    const rule = at === null ? small : BALANCING.leastCached;
    editor.decide({ about: 'cachingDevice', subject: variable.id, chosen, candidates, rule, option });
    return chosen;
  };
}

function cache(
  editor: GraphEditor,
  variable: VariableResource,
  replaced: readonly TowerRead[],
  device: DeviceName,
): TensorRef {
  return readOnto(
    editor,
    variable,
    { name: `${variable.name}/cached`, device, phase: 'forward', group: replaced[0]?.node.group ?? '' },
    {
      reason: `${variable.name} is read once a step, into ${device}`,
      from: replaced.map(({ node }) => node.id),
    },
  );
}
