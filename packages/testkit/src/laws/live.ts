import { ancestors, entryNodes, type NodeId, nodeName } from '@placewright/ir';
import { type Law, must } from './law.js';

/** What nothing needs is not lowered. */
export const liveLaw: Law = {
  name: 'live',
  summary:
    'every node of a lowered module is run by an entry, fed by one, or fills or empties a staging area',
  check: ({ compilation: { module } }) => {
    const live = new Set<NodeId>();
    for (const entry of Object.values(module.entries)) {
      for (const id of entryNodes(module, entry)) live.add(id);
      for (const { node } of entry.feeds) live.add(node);
    }
    const staging = [...module.graph.nodes.values()].filter(({ op }) => op === 'Stage' || op === 'Unstage');
    for (const id of ancestors(
      module.graph,
      staging.map(({ id: node }) => node),
    ))
      live.add(id);
    for (const node of module.graph.nodes.values())
      must(live.has(node.id), () => `no entry runs ${nodeName(node)}, and none feeds it`);
  },
};
