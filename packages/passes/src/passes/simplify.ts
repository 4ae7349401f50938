import { ancestors, edit, entryNodes, type Module, type NodeId } from '@placewright/ir';
import { definePass } from '../pass.js';

const PASS = 'simplify';

/**
 * Removes nodes that no entry runs and that no role names. What puts into a staging area and takes from it stays, with
 * what it needs, though nothing may run it: an area is made to be filled and emptied, and the original has areas, for
 * the moving averages of later towers, that nothing runs.
 */
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
      for (const id of stagingNodes(module)) live.add(id);
      for (const id of module.graph.nodes.keys())
        if (!live.has(id)) editor.removeNode(id, { reason: 'no entry runs it' });
      const roles = module.roles.filter((role) => live.has('tensor' in role ? role.tensor.node : role.node));
      if (roles.length < module.roles.length) editor.setRoles(roles, { reason: 'no entry runs the others' });
    }),
});

/** What acts on a staging area, and all that this needs. */
function stagingNodes({ graph, resources }: Module): ReadonlySet<NodeId> {
  const act = [...graph.nodes.values()].filter((node) =>
    node.resources.some((id) => resources.get(id)?.kind === 'stagingArea'),
  );
  return ancestors(
    graph,
    act.map(({ id }) => id),
  );
}
