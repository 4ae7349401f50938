import { type ResourceId, resourceName } from '../graph.js';
import type { Access } from './invariant.js';
import {
  type Invariant,
  nodeViolation,
  shown,
  shownNode,
  type VerifyContext,
  type Violation,
} from './invariant.js';
import { mendingOf } from './mending.js';
import { examples, meetingExample } from './net/example.js';
import type { Meeting, Moment } from './net/orders.js';
import { isUpdate } from './updates.js';

const NAME = 'no-race-across-tasks';

/**
 * Every write of a variable is ordered against other tasks' reads and writes of it, over all steps. Updates of several
 * tasks are not ordered among themselves: each is applied whole, in order of arrival. Reads in a step are not ordered
 * against other tasks' updates either where the module permits that skew.
 */
export const noRaceAcrossTasks: Invariant = {
  name: NAME,
  summary:
    "over all steps, every write of a shared variable is ordered against other tasks' reads and writes",
  from: 'established',
  needs: ['edges-exist', 'acyclic', 'types-match', 'no-choice', 'no-race'],
  check: (context) => {
    if (context.tasks().length < 2) return [];
    const settled = new Map<string, Meeting | null>();
    const races = [...sharedUses(context).values()].flatMap((uses) =>
      racesAmong(context, distinct(uses), settled),
    );
    return races.map((found, i) => violation(context, found, i < examples(context.module.graph)));
  },
};

/** What a node does to a shared variable in one of its task's rounds. */
interface Use {
  readonly access: Access;
  readonly moment: Moment;
  readonly kind: 'read' | 'update' | 'write';
  readonly inStep: boolean;
}

/** Uses of each variable that is written and that several tasks use. */
function sharedUses(context: VerifyContext): Map<ResourceId, Use[]> {
  const byVariable = new Map<ResourceId, Access[]>();
  for (const access of context.accesses()) {
    if (access.resource.kind !== 'variable') continue;
    const list = byVariable.get(access.resource.id);
    if (list === undefined) byVariable.set(access.resource.id, [access]);
    else list.push(access);
  }
  const uses = new Map<ResourceId, Use[]>();
  for (const [id, accesses] of byVariable) {
    const places = accesses.flatMap((access) =>
      placesOf(context, access).map((place) => ({ access, ...place })),
    );
    const shared = new Set(places.map(({ task }) => task)).size > 1;
    if (shared && accesses.some(({ effect }) => effect === 'write'))
      uses.set(
        id,
        places.map(({ access, task, round }) => useOf(context, access, task, round)),
      );
  }
  return uses;
}

function placesOf(context: VerifyContext, { node }: Access): { task: number; round: number }[] {
  return context
    .net()
    .tasks.flatMap(({ rounds }, task) =>
      rounds.flatMap(({ view }, round) => (view.nodes.has(node.id) ? [{ task, round }] : [])),
    );
}

function useOf(context: VerifyContext, access: Access, task: number, round: number): Use {
  return {
    access,
    moment: context.orders().moment(task, round, access.node),
    kind: access.effect === 'read' ? 'read' : isUpdate(access.node) ? 'update' : 'write',
    inStep: round >= (context.net().tasks[task]?.prologue ?? 0),
  };
}

/** One of those that come after and before the same. */
function distinct(uses: readonly Use[]): Use[] {
  const byKey = new Map<string, Use>();
  for (const use of uses) {
    const key = `${use.kind} ${use.moment.key}`;
    if (!byKey.has(key)) byKey.set(key, use);
  }
  return [...byKey.values()];
}

interface Race {
  readonly uses: readonly [Use, Use];
  readonly meeting: Meeting;
}

function racesAmong(
  context: VerifyContext,
  uses: readonly Use[],
  settled: Map<string, Meeting | null>,
): Race[] {
  return uses.flatMap((a, i) =>
    uses.slice(i + 1).flatMap((b): Race[] => {
      if (!mustBeOrdered(context, a, b)) return [];
      const key = `${a.moment.key} / ${b.moment.key}`;
      const known = settled.get(key);
      const meeting = known === undefined ? context.orders().unordered(a.moment, b.moment) : known;
      settled.set(key, meeting);
      return meeting === null ? [] : [{ uses: [a, b], meeting }];
    }),
  );
}

function mustBeOrdered(context: VerifyContext, a: Use, b: Use): boolean {
  if (a.moment.task === b.moment.task || (a.kind === 'read' && b.kind === 'read')) return false;
  if (a.kind === 'update' && b.kind === 'update') return false;
  const plain = a.kind === 'write' || b.kind === 'write';
  return plain || context.permittedSkew() === 'none' || !a.inStep || !b.inStep;
}

function violation(context: VerifyContext, { uses: [a, b], meeting }: Race, isDetailed: boolean): Violation {
  const variable = shown(resourceName(a.access.resource));
  const message = `${describe(context, a)} and ${describe(context, b)} are not ordered, and both act on ${variable}`;
  const [first, second] = [a.access.node, b.access.node];
  if (!isDetailed) return nodeViolation(NAME, second, message, 'mend what is reported before it');
  const hint = mendingOf(context, [a.moment, first], [b.moment, second]);
  return {
    ...nodeViolation(NAME, second, message, hint),
    ...meetingExample(context, meeting, [first, second]),
  };
}

function describe(context: VerifyContext, { access: { node }, moment, kind }: Use): string {
  const { label } = context.net().tasks[moment.task]?.rounds[moment.round]?.view ?? { label: '' };
  return `the ${kind} by ${shownNode(node)} (%${node.id}, ${node.op}) in the ${label}`;
}
