import { type DeviceName, edit, type NodeId, nodeOf, type TensorRef, tensorKey } from '@placewright/ir';
import { definePass } from '../pass.js';

const PASS = 'insert-transfers';

/** Makes every copy between devices a node of its own: one `Transfer` for each tensor and destination, on the destination. */
export const insertTransfers = definePass<Record<never, never>>({
  name: PASS,
  summary: 'makes each copy between devices a Transfer, one per tensor and destination',
  options: {},
  requires: ['every-node-placed'],
  establishes: ['transfers-explicit'],
  preserves: 'all',
  run: (module, _options, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const transfers = new Map<string, TensorRef>();
      const move = (ref: TensorRef, device: DeviceName): TensorRef => {
        const source = nodeOf(module.graph, ref.node);
        if (source.device === device) return ref;
        const key = `${tensorKey(ref)} ${device}`;
        const known = transfers.get(key);
        if (known !== undefined) return known;
        const { name, replica, variable, phase, group } = source;
        const node: NodeId = editor.addNode(
          {
            op: 'Transfer',
            name: `${name}/Transfer`,
            inputs: [ref],
            device,
            replica,
            variable,
            phase,
            group,
          },
          { reason: `copied once from ${source.device} to ${device}`, from: [ref.node] },
        );
        transfers.set(key, { node, port: 0 });
        return { node, port: 0 };
      };
      for (const node of module.graph.nodes.values()) {
        if (node.inputs.every((ref) => nodeOf(module.graph, ref.node).device === node.device)) continue;
        const inputs = node.inputs.map((ref) => move(ref, node.device));
        editor.updateNode(node.id, { inputs }, { reason: 'takes the copy on its own device' });
      }
    }),
});
