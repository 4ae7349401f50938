import { nodeName, resourceName } from '../../graph.js';
import { shown } from '../invariant.js';
import { type Place, type SyncNet, transitionAt } from './net.js';
import type { RunResult } from './run.js';

const SHOWN = 8;

/** What each task waits for, one wait of each task first, so that a short list names all tasks. */
export function waitTexts(net: SyncNet, { stuck, levels }: Pick<RunResult, 'stuck' | 'levels'>): string[] {
  const byTask = net.tasks.map(({ label }, task) =>
    stuck
      .filter((place) => place.task === task)
      .map((place) => `${label === '' ? '' : `${label}: `}${waitText(net, place, stuck, levels)}`),
  );
  const longest = Math.max(0, ...byTask.map(({ length }) => length));
  const texts = Array.from({ length: longest }, (_, i) => byTask.flatMap((list) => list[i] ?? [])).flat();
  return texts.length > SHOWN ? [...texts.slice(0, SHOWN), `and ${texts.length - SHOWN} more wait`] : texts;
}

function waitText(net: SyncNet, place: Place, stuck: readonly Place[], levels: Int32Array): string {
  const transition = transitionAt(net, place);
  if (transition === undefined) return '';
  const { nodes, action } = transition;
  const who = shown(nodeName(nodes[0]));
  switch (action.kind) {
    case 'put':
    case 'get': {
      const buffer = net.buffers[action.buffer];
      const name = buffer === undefined ? '' : shown(resourceName(buffer.resource));
      const what = action.kind === 'put' ? 'room' : action.count === 1 ? 'a value' : `${action.count} values`;
      return `${who} waits for ${what} in ${name}, which holds ${levels[action.buffer]} of ${buffer?.capacity}`;
    }
    case 'meet': {
      const barrier = net.barriers[action.barrier];
      const there = stuck.filter((other) => {
        const at = transitionAt(net, other)?.action;
        return at?.kind === 'meet' && at.barrier === action.barrier;
      });
      const name = barrier === undefined ? '' : shown(resourceName(barrier.resource));
      return `${who} waits at the barrier ${name}, where ${there.length} of ${barrier?.resource.parties} are`;
    }
    case 'together':
      return `${who} waits for other members of its collective, of which ${nodes.length} run`;
  }
}
