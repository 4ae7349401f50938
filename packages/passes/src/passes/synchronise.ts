import {
  edit,
  entryNodes,
  type Module,
  type NodeId,
  type ResourceEffect,
  type ResourceId,
} from '@placewright/ir';
import { definePass } from '../pass.js';

const PASS = 'synchronise';

/**
 * Orders the reads and writes of each variable within a step: every write waits for every read, and writes follow one
 * another. The original leaves this open, and its reference variables then race (an update can change what a read
 * still aliases).
 */
export const synchronise = definePass<Record<never, never>>({
  name: PASS,
  summary: "orders each variable's reads before its writes within a step",
  options: {},
  requires: ['resource-colocated'],
  establishes: ['no-race'],
  preserves: 'all',
  run: (module, _options, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const effectsOf = (op: string): readonly ResourceEffect[] => {
        const effect = registry.ops.get(op)?.effect;
        return effect?.kind === 'resources' ? effect.effects : [];
      };
      for (const { reads, writes } of accesses(module, effectsOf).values()) {
        writes.forEach((write, i) => {
          const before = i === 0 ? reads : [...reads, writes[i - 1] ?? write];
          for (const id of before) {
            if (id === write || editor.node(write).inputs.some(({ node }) => node === id)) continue;
            editor.addControl(write, id, { reason: 'writes after all of the step have read', from: [id] });
          }
        });
      }
    }),
});

/** Nodes of the step that read and write each variable, writes in order of insertion. */
function accesses(
  module: Module,
  effectsOf: (op: string) => readonly ResourceEffect[],
): Map<ResourceId, { reads: NodeId[]; writes: NodeId[] }> {
  const out = new Map<ResourceId, { reads: NodeId[]; writes: NodeId[] }>();
  const { step } = module.entries;
  if (step === undefined) return out;
  const running = entryNodes(module, step);
  for (const node of module.graph.nodes.values()) {
    if (!running.has(node.id)) continue;
    const effects = effectsOf(node.op);
    node.resources.forEach((id, i) => {
      const access = out.get(id) ?? { reads: [], writes: [] };
      out.set(id, access);
      if (effects[i] === 'read') access.reads.push(node.id);
      if (effects[i] === 'write') access.writes.push(node.id);
    });
  }
  return out;
}
