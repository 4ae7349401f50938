import { ancestors, type Entry, type GraphEditor, type NodeId, type Why } from '@placewright/ir';

/** Adds targets to the last round of the step. */
export function addToStep(editor: GraphEditor, targets: readonly NodeId[], why: Why): void {
  const step = editor.entries.step;
  if (step === undefined || targets.length === 0) return;
  const rounds = [...step.rounds.slice(0, -1), [...(step.rounds.at(-1) ?? []), ...targets]];
  editor.setEntry({ ...step, rounds }, why);
}

/** Adds a round to the warm-up, which runs what was staged before and the new targets, with the feeds that they need. */
export function addWarmUp(editor: GraphEditor, targets: readonly NodeId[], why: Why): void {
  if (targets.length === 0) return;
  const before: Entry = editor.entries.warmUp ?? { name: 'warmUp', feeds: [], fetches: [], rounds: [] };
  const rounds = [...before.rounds, [...(before.rounds.at(-1) ?? []), ...targets]];
  const needed = ancestors(editor.graph, rounds.flat());
  const feeds = (editor.entries.step?.feeds ?? []).filter(({ node }) => needed.has(node));
  editor.setEntry({ ...before, feeds, rounds }, why);
}
