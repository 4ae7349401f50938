import { nodeName, type StagingAreaResource } from '../graph.js';
import { type AreaWait, areaWaits } from './area-levels.js';
import { deriveWarmUp, type WarmUp } from './derive-warm-up.js';
import {
  type Invariant,
  resourceViolation,
  shown,
  shownNode,
  shownResource,
  type VerifyContext,
  type Violation,
} from './invariant.js';
import { once } from './once.js';

const NAME = 'staging-filled';

/**
 * Each staging area holds what a step gets from it when the step begins, unless the step itself has put it there before,
 * and has room for what the step puts. Since a step puts as much as it gets, what holds of the first step holds of all.
 */
export const stagingFilled: Invariant = {
  name: NAME,
  summary:
    'each staging area is filled before it is got from, by a warm-up that follows from the graph, and has room',
  from: 'established',
  needs: ['edges-exist', 'acyclic', 'staging-balanced'],
  check: (context) =>
    context.tasks().flatMap(({ entries }, task) => {
      const derived = once(() => deriveWarmUp(context.module, entries.step?.rounds.flat() ?? []));
      const waits = areaWaits(context, task).filter(({ kind }) => kind !== 'late');
      return waits.map((wait) => violation(context, wait, derived));
    }),
};

function violation(context: VerifyContext, wait: AreaWait, derived: () => WarmUp): Violation {
  const { area, round, node, kind, level } = wait;
  const does = `in ${round.label}, ${shownNode(node)}`;
  if (kind === 'empty') {
    const what = `${does} gets from ${shownResource(area)}, which may then be empty`;
    return resourceViolation(NAME, area, what, fillHint(context, area, derived()));
  }
  const what = `${does} puts into ${shownResource(area)}, which is full: it holds ${level}, and has room for ${area.capacity}`;
  return resourceViolation(NAME, area, what, `give it room for ${level + 1}`);
}

function fillHint(
  { module }: VerifyContext,
  { id }: StagingAreaResource,
  { rounds, unfillable }: WarmUp,
): string {
  if (unfillable.includes(id))
    return 'nothing can fill it: what is put into it was got from it; compute it from something else';
  const nodes = rounds.map((round) => round.flatMap((put) => module.graph.nodes.get(put) ?? []));
  const puts = nodes.map((round) => round.filter(({ resources }) => resources[0] === id));
  const at = puts.flatMap((found, i) => (found.length === 0 ? [] : [i + 1]));
  const [put] = puts.flat();
  if (put === undefined) return 'put into it in a round before';
  return `make ${shown(nodeName(put))} a target of the warm-up, in round ${at.join(' and ')} of ${rounds.length}`;
}
