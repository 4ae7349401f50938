import { edit, entryNodes, type NodeId } from '@placewright/ir';
import { definePass } from '../pass.js';

const PASS = 'simplify';

/** Removes nodes that no entry runs and that no role names. */
export const simplify = definePass<Record<never, never>>({
  name: PASS,
  summary: 'removes nodes that no entry runs',
  options: {},
  requires: [],
  establishes: [],
  preserves: 'all',
  run: (module, _options, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const live = new Set<NodeId>();
      for (const entry of Object.values(module.entries)) {
        for (const id of entryNodes(module, entry)) live.add(id);
        for (const { node } of entry.feeds) live.add(node);
      }
      for (const id of module.graph.nodes.keys())
        if (!live.has(id)) editor.removeNode(id, { reason: 'no entry runs it' });
      const roles = module.roles.filter((role) => live.has('tensor' in role ? role.tensor.node : role.node));
      if (roles.length < module.roles.length) editor.setRoles(roles, { reason: 'no entry runs the others' });
    }),
});
