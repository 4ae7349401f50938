import { type DeviceName, edit, isFullDevice, isLocal, type Module, type Node } from '@placewright/ir';
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
  run: (module, _options, { registry, ...site }) =>
    edit(module, registry, PASS, (editor) => {
      const host = hostDevice(site);
      const towers = towerDevices(site);
      const homeOf = ({ replica, phase, resources }: Node): { device: DeviceName; reason: string } => {
        const [resource] = resources;
        if (resource !== undefined)
          return { device: editor.resource(resource).device, reason: "on its resource's device" };
        if (replica !== null) return { device: towers[replica] ?? host, reason: `on tower ${replica}` };
        if (phase === 'eval') return { device: towers[0] ?? host, reason: 'inference runs on tower 0' };
        return { device: host, reason: 'belongs to no tower: on the host' };
      };
      const local = isLocal(site.cluster);
      const place = (node: Node): DeviceName =>
        isFullDevice(node.device, local)
          ? node.device
          : resolveDevice(node.device, homeOf(node).device, site);
      const groups = groupDevices(module, place);
      for (const node of module.graph.nodes.values()) {
        const group = node.colocation === null ? undefined : groups.get(node.colocation);
        const device = group ?? place(node);
        const reason =
          group === undefined ? homeOf(node).reason : `with its colocation group ${node.colocation}`;
        if (device !== node.device) editor.updateNode(node.id, { device }, { reason });
      }
      editor.setFrame(
        { cluster: site.cluster, task: isLocal(site.cluster) ? null : site.task },
        { reason: 'placed for this cluster' },
      );
    }),
});

/** The device of each colocation group: that of its first member on a resource, or of its first member without any. */
function groupDevices(module: Module, place: (node: Node) => DeviceName): Map<string, DeviceName> {
  const groups = new Map<string, DeviceName>();
  const bound = new Set<string>();
  for (const node of module.graph.nodes.values()) {
    if (node.colocation === null) continue;
    const decides = node.resources.length > 0 && !bound.has(node.colocation);
    if (decides) bound.add(node.colocation);
    if (decides || !groups.has(node.colocation)) groups.set(node.colocation, place(node));
  }
  return groups;
}
