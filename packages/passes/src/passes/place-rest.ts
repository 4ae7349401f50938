import { type DeviceName, edit, isFullDevice, isLocal, type Node } from '@placewright/ir';
import { hostDevice, resolveDevice, towerDevices } from '../devices.js';
import { definePass } from '../pass.js';

const PASS = 'place-rest';

/**
 * Gives a device to every node that has none yet, and fills in partial names: a tower's nodes go to the tower,
 * inference to tower 0, what belongs to no tower to the host.
 */
export const placeRest = definePass<Record<never, never>>({
  name: PASS,
  summary: 'places what is left: by tower, inference on tower 0, the rest on the host',
  options: {},
  requires: ['resource-colocated'],
  establishes: ['every-node-placed', 'colocation'],
  preserves: 'all',
  run: (module, _options, { registry, cluster }) =>
    edit(module, registry, PASS, (editor) => {
      const host = hostDevice(cluster);
      const towers = towerDevices(cluster);
      const homeOf = ({ replica, phase, resources }: Node): { device: DeviceName; reason: string } => {
        const [resource] = resources;
        if (resource !== undefined)
          return { device: editor.resource(resource).device, reason: "on its resource's device" };
        if (replica !== null) return { device: towers[replica] ?? host, reason: `on tower ${replica}` };
        if (phase === 'eval') return { device: towers[0] ?? host, reason: 'inference runs on tower 0' };
        return { device: host, reason: 'belongs to no tower: on the host' };
      };
      const local = isLocal(cluster);
      const groups = new Map<string, DeviceName>();
      for (const node of module.graph.nodes.values()) {
        const { device, reason } = homeOf(node);
        let merged = isFullDevice(node.device, local)
          ? node.device
          : resolveDevice(node.device, device, cluster);
        // The first placed member decides for its colocation group.
        if (node.colocation !== null && node.resources.length === 0)
          merged = groups.get(node.colocation) ?? merged;
        if (node.colocation !== null) groups.set(node.colocation, merged);
        if (merged !== node.device) editor.updateNode(node.id, { device: merged }, { reason });
      }
      editor.setFrame({ cluster });
    }),
});
