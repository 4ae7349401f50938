import { edit, entryNodes } from '@placewright/ir';
import { leadsTo, type VariableAccess, variableAccesses } from '../accesses.js';
import { definePass } from '../pass.js';

const PASS = 'synchronise';

/**
 * Orders the reads and writes of each variable within a step: a write waits for all reads that do not themselves wait
 * for a write, and writes follow one another. The original leaves this open, and its reference variables then race (an
 * update can change what a read still aliases).
 */
export const synchronise = definePass<Record<never, never>>({
  name: PASS,
  summary: "orders each variable's reads before its writes within a step",
  options: {},
  requires: ['resource-colocated'],
  establishes: ['no-race', 'no-race-across-tasks', 'staging-filled', 'no-choice', 'no-hang'],
  preserves: 'all',
  run: (module, _options, { registry }) =>
    edit(module, registry, PASS, (editor) => {
      const { step } = module.entries;
      if (step === undefined) return;
      const accesses = variableAccesses(module, registry, entryNodes(module, step));
      for (const list of accesses.byVariable.values()) {
        for (const [before, after] of neighbours(list)) {
          if (editor.node(after.node).inputs.some(({ node }) => node === before.node)) continue;
          if (after.effect === 'read' && leadsTo(accesses, before.node, after.node)) continue;
          editor.addControl(after.node, before.node, { reason: REASONS[after.effect], from: [before.node] });
        }
      }
    }),
});

const REASONS = {
  write: 'writes after all of the step have read',
  read: 'reads what has been written before',
} as const satisfies Record<VariableAccess['effect'], string>;

/** Pairs to order: a write after all reads since the last write, or after that write; a read after the last write. */
function neighbours(list: readonly VariableAccess[]): (readonly [VariableAccess, VariableAccess])[] {
  const pairs: (readonly [VariableAccess, VariableAccess])[] = [];
  let written: VariableAccess | null = null;
  let reads: VariableAccess[] = [];
  for (const access of list) {
    if (written !== null && (access.effect === 'read' || reads.length === 0)) pairs.push([written, access]);
    if (access.effect === 'read') {
      reads.push(access);
      continue;
    }
    for (const read of reads) pairs.push([read, access]);
    written = access;
    reads = [];
  }
  return pairs;
}
