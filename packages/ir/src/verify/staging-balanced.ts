import type { Node, ResourceId, StagingAreaResource } from '../graph.js';
import {
  type Access,
  type Invariant,
  nodeViolation,
  type RoundView,
  resourceViolation,
  shownNode,
  shownResource,
  type VerifyContext,
  type Violation,
} from './invariant.js';

const NAME = 'staging-balanced';

/** Each staging area has at most one producer and one consumer a round; a step that puts also gets. */
export const stagingBalanced: Invariant = {
  name: NAME,
  summary: 'each staging area has one producer and one consumer a round, and a step both puts and gets',
  from: 'established',
  needs: ['edges-exist'],
  check: (context) => {
    const byArea = areaAccesses(context);
    return [...byArea].flatMap(([area, accesses]) => areaFaults(context, area, accesses));
  },
};

function areaAccesses(context: VerifyContext): Map<StagingAreaResource, Access[]> {
  const byArea = new Map<StagingAreaResource, Access[]>();
  const lists = new Map<ResourceId, Access[]>();
  for (const resource of context.module.resources.values()) {
    if (resource.kind !== 'stagingArea') continue;
    const list: Access[] = [];
    byArea.set(resource, list);
    lists.set(resource.id, list);
  }
  for (const access of context.accesses()) lists.get(access.resource.id)?.push(access);
  return byArea;
}

/** Who puts into an area and who gets from it in one round. */
interface Flow {
  readonly round: RoundView;
  readonly puts: readonly Node[];
  readonly gets: readonly Node[];
}

function areaFaults(
  context: VerifyContext,
  area: StagingAreaResource,
  accesses: readonly Access[],
): Violation[] {
  const flows = context.rounds().map((round): Flow => {
    const inRound = accesses.filter(({ node }) => round.nodes.has(node.id));
    const having = (effect: Access['effect']): Node[] =>
      inRound.filter((access) => access.effect === effect).map(({ node }) => node);
    return { round, puts: having('put'), gets: having('get') };
  });
  const faults = flows.flatMap((flow) => flowFaults(area, flow));
  return faults.length > 0 ? faults : levelFaults(area, flows);
}

function flowFaults(area: StagingAreaResource, { round, puts, gets }: Flow): Violation[] {
  const out: Violation[] = [];
  const report = (node: Node, what: string, hint: string): void => {
    out.push(nodeViolation(NAME, node, `in ${round.label}, ${what}`, hint));
  };
  const [put] = puts;
  const [get] = gets;
  if (put !== undefined && puts.length > 1) {
    report(
      put,
      `${puts.map(shownNode).join(', ')} all put into ${shownResource(area)}`,
      'keep one Stage an area',
    );
  }
  if (get !== undefined && gets.length > 1) {
    report(get, `${gets.map(shownNode).join(', ')} all get from ${shownResource(area)}`, 'share one Unstage');
  }
  if (round.entry !== 'step') return out;
  if (put !== undefined && get === undefined) {
    const what = `${shownNode(put)} puts into ${shownResource(area)}, but nothing gets from it`;
    report(put, what, 'make its Unstage run in the step, or leave both out');
  }
  if (get !== undefined && put === undefined) {
    const what = `${shownNode(get)} gets from ${shownResource(area)}, but nothing puts into it`;
    report(get, what, 'make its Stage a target of the step, or leave both out');
  }
  return out;
}

/** Follows how full the area is through the rounds of the warm-up: a get from an empty or a put into a full one waits for ever. */
function levelFaults(area: StagingAreaResource, flows: readonly Flow[]): Violation[] {
  let level = 0;
  for (const { round, puts, gets } of flows) {
    if (round.entry !== 'warmUp') continue;
    level += puts.length - gets.length;
    if (level >= 0 && level <= area.capacity) continue;
    const what =
      level < 0 ? 'is empty when it is got from' : `is full, at ${area.capacity}, when more is put into it`;
    return [
      resourceViolation(
        NAME,
        area,
        `in ${round.label}, ${shownResource(area)} ${what}`,
        'warm up tier by tier: each round puts into the areas that the round before has filled from',
      ),
    ];
  }
  return [];
}
