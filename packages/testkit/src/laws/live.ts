import { entryNodes, type NodeId, nodeName } from '@placewright/ir';
import { type Law, must } from './law.js';

/** What nothing needs is not lowered. */
export const liveLaw: Law = {
  name: 'live',
  summary: 'every node of a lowered module is run by an entry, or fed by one',
  check: ({ compilation: { module } }) => {
    const live = new Set<NodeId>();
    for (const entry of Object.values(module.entries)) {
      for (const id of entryNodes(module, entry)) live.add(id);
      for (const { node } of entry.feeds) live.add(node);
    }
    for (const node of module.graph.nodes.values())
      must(live.has(node.id), () => `no entry runs ${nodeName(node)}, and none feeds it`);
  },
};
