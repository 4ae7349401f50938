import { nodeName, resourceName } from '../graph.js';
import {
  type Invariant,
  nodeViolation,
  resourceViolation,
  shown,
  shownResource,
  type VerifyContext,
  type Violation,
} from './invariant.js';
import { stepsToFill, tightBuffers } from './net/contention.js';
import { expandRun } from './net/expand.js';
import { namesAt } from './net/names.js';
import { instancesIn, type NetBuffer, type Place, type SyncNet, transitionAt } from './net/net.js';
import { type RunResult, runNet } from './net/run.js';
import { type SearchOptions, searchState } from './net/search.js';
import { waitTexts } from './net/waits.js';

const NAME = 'no-hang';

/**
 * No schedule hangs, whatever number of steps all tasks take. Where nobody has a choice, all schedules come equally far,
 * and one is run for all; and where a step puts into each buffer what it takes out, all is after one step as it was
 * before it. What is left are puts of several tasks that fight for room.
 */
export const noHang: Invariant = {
  name: NAME,
  summary: 'no schedule of the tasks waits for ever, in whatever number of steps',
  from: 'established',
  needs: ['edges-exist', 'acyclic', 'types-match', 'resources-well-formed', 'no-choice'],
  check: (context) => {
    const net = context.net();
    const unbalanced = net.buffers.flatMap((buffer) => balanceFaults(context, buffer));
    if (unbalanced.length > 0) return unbalanced;
    const run = runNet(net, { steps: 1 });
    return run.finished ? roomFaults(context) : [hang(context, runNet(net, { steps: 1, record: true }))];
  },
};

/** Steps that a counterexample may take to fill or to empty a buffer. */
const MOST_STEPS = 64;

/** What all tasks put into a buffer in a step they must also take out. */
function balanceFaults(context: VerifyContext, { resource, puts, gets }: NetBuffer): Violation[] {
  const net = context.net();
  const inStep = (places: readonly Place[]): Place[] =>
    places.filter(({ task, round }) => round >= (net.tasks[task]?.prologue ?? 0));
  const put = inStep(puts).length;
  const taken = inStep(gets).reduce((sum, place) => sum + countAt(net, place), 0);
  if (put === taken) return [];
  const what = `a step of all tasks puts ${put} into ${shownResource(resource)} and takes ${taken}: it ${put > taken ? 'fills up' : 'runs empty'}`;
  const violation = resourceViolation(NAME, resource, what, 'let a step take out what it puts in');
  for (let steps = 1; steps <= MOST_STEPS; steps *= 2) {
    const run = runNet(net, { steps, record: true });
    if (!run.finished) return [{ ...violation, counterexample: expandRun(context, run) }];
  }
  return [violation];
}

function countAt(net: SyncNet, place: Place): number {
  const action = transitionAt(net, place)?.action;
  return action?.kind === 'get' ? action.count : 0;
}

function hang(
  context: VerifyContext,
  run: Pick<RunResult, 'steps' | 'order' | 'stuck' | 'levels'>,
): Violation {
  const net = context.net();
  const [first] = run.stuck;
  const node = first === undefined ? unrun(context) : transitionAt(net, first)?.nodes[0];
  const texts = waitTexts(net, run);
  const what = `nothing can go on: ${texts.length > 0 ? texts.join('; ') : `collectives wait for each other, ${node === undefined ? '' : shown(nodeName(node))} among them`}`;
  const counterexample = expandRun(context, run);
  const hint =
    first === undefined ? 'order collectives in the same way on every device' : hintFor(net, first);
  const violation = node === undefined ? null : nodeViolation(NAME, node, what, hint);
  return {
    ...(violation ?? { invariant: NAME, message: what, hint, subject: null, name: null }),
    counterexample,
  };
}

/** A member of a collective, where nothing else waits. */
function unrun(context: VerifyContext) {
  const rounds = context.net().tasks.flatMap((task) => task.rounds);
  return rounds.flatMap(({ transitions }) => transitions).find(({ action }) => action.kind === 'together')
    ?.nodes[0];
}

function hintFor(net: SyncNet, place: Place): string {
  const action = transitionAt(net, place)?.action;
  switch (action?.kind) {
    case 'get': {
      const puts = namesAt(net, net.buffers[action.buffer]?.puts ?? []);
      if (puts.length === 0) return 'put into it, or take nothing from it';
      return `let ${puts.join(', ')} not wait for it, or put as many into it before the first step as it starts with`;
    }
    case 'put': {
      const gets = namesAt(net, net.buffers[action.buffer]?.gets ?? []);
      return gets.length === 0
        ? 'take from it what is put into it'
        : `let ${gets.join(', ')} not wait for it, or give it more room`;
    }
    case 'meet':
      return 'let all parties come to it as often, in one order of barriers, none waiting for another before it comes';
    default:
      return 'let all members of the collective run in the same round';
  }
}

/** States that a search among schedules looks at. */
const MOST_STATES = 20_000;

/** Hangs that come only of puts that fight for room. */
function roomFaults(context: VerifyContext): Violation[] {
  const net = context.net();
  const tight = tightBuffers(net);
  const [first] = tight;
  if (first === undefined) return [];
  const steps = stepsToFill(tight);
  const limits = net.tasks.map((task) => instancesIn(task, steps));
  const isGoal: SearchOptions['isGoal'] = (tasks, isEnd) =>
    isEnd && tasks.some(({ instance }, i) => instance < (limits[i] ?? 0));
  const found = searchState(net, { steps, mostStates: MOST_STATES, isGoal });
  switch (found.kind) {
    case 'none':
      return [];
    case 'found': {
      const counterexample = expandRun(context, { steps, order: found.order });
      return [{ ...tightViolation(net, first, 'some schedules hang'), counterexample }];
    }
    case 'unknown':
      return [tightViolation(net, first, 'that no schedule hangs could not be shown')];
  }
}

function tightViolation(net: SyncNet, { resource, capacity, puts }: NetBuffer, what: string): Violation {
  const message = `${what}: ${namesAt(net, puts).join(', ')} fight for room in ${shown(resourceName(resource))}, which has ${capacity}`;
  return resourceViolation(
    NAME,
    resource,
    message,
    'give it more room, or let the tasks wait for each other at the end of a step',
  );
}
