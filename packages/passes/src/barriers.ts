import type { GraphEditor, NodeId, Phase, Why } from '@placewright/ir';
import { needServers, type Site, workerTasks } from './devices.js';

/** A barrier between the workers that is to be added to a graph. */
export interface TaskBarrier {
  /** What the names of its queues begin with; the worker's number comes right after it. */
  readonly name: string;
  /** What this worker has done when it comes. */
  readonly after: readonly NodeId[];
  readonly phase: Phase;
  readonly variable?: string;
}

/**
 * Adds a barrier that every worker comes to once. It lives on the parameter servers in turn, as in the original, whose
 * count goes up before it is used: with two servers the first barrier is on the second one. Throws PW_CLUSTER_NO_PS.
 */
export function addBarrierInTurn(editor: GraphEditor, site: Site, barrier: TaskBarrier, why: Why): NodeId {
  const servers = needServers(site);
  const made = [...editor.resources.values()].filter(({ kind }) => kind === 'barrier').length;
  return addBarrier(editor, site, servers[(made + 1) % servers.length] ?? '', barrier, why);
}

/** Adds a barrier on a device of one's choice. */
export function addBarrier(
  editor: GraphEditor,
  site: Site,
  device: string,
  { name, after, phase, variable }: TaskBarrier,
  why: Why,
): NodeId {
  const resource = editor.addResource(
    { kind: 'barrier', container: '', device, replica: null, name, parties: workerTasks(site).length },
    why,
  );
  return editor.addNode(
    {
      op: 'Barrier',
      name: `barrier/${name}`,
      controls: [...new Set(after)],
      resources: [resource],
      device,
      variable: variable ?? null,
      phase,
    },
    why,
  );
}
