import type { GraphEditor, NodeId, Why } from '@placewright/ir';

/** Adds targets to the last round of the step. */
export function addToStep(editor: GraphEditor, targets: readonly NodeId[], why: Why): void {
  const step = editor.entries.step;
  if (step === undefined || targets.length === 0) return;
  const rounds = [...step.rounds.slice(0, -1), [...(step.rounds.at(-1) ?? []), ...targets]];
  editor.setEntry({ ...step, rounds }, why);
}
