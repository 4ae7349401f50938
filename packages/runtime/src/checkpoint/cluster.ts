import type { LinkedModule, ModuleState, ResourceId, TensorValue, Tuples } from '@placewright/ir';
import type { Session } from '../engine.js';

/** The session of each task of a linked module: `ClusterSession` has it. */
export interface TaskSessions {
  session(task: number): Pick<Session, 'readState' | 'writeState'>;
}

/**
 * The state of a whole cluster by the resources of its linked module. No task may be in the middle of a run: what one
 * of them has done of a step and the others have not is no state to go on from.
 */
export async function readClusterState(linked: LinkedModule, sessions: TaskSessions): Promise<ModuleState> {
  const variables = new Map<ResourceId, TensorValue>();
  const buffers = new Map<ResourceId, Tuples>();
  for (const [task, { resources }] of linked.tasks.entries()) {
    const own = await sessions.session(task).readState();
    for (const [id, value] of own.variables) setNew(variables, resources.get(id), value);
    for (const [id, tuples] of own.buffers) setNew(buffers, resources.get(id), tuples);
  }
  return { variables, buffers };
}

function setNew<T>(into: Map<ResourceId, T>, id: ResourceId | undefined, value: T): void {
  if (id !== undefined && !into.has(id)) into.set(id, value);
}

/** Sets the state of a whole cluster, what tasks share once. `planRestore` has checked it. Throws PW_STATE_*, PW_VARIABLE_*. */
export async function writeClusterState(
  linked: LinkedModule,
  sessions: TaskSessions,
  state: ModuleState,
): Promise<void> {
  const left = { variables: new Map(state.variables), buffers: new Map(state.buffers) };
  for (const [task, { resources }] of linked.tasks.entries()) {
    const variables = takeOwn(left.variables, resources);
    const buffers = takeOwn(left.buffers, resources);
    await sessions.session(task).writeState({ variables, buffers });
  }
}

/** What of a linked state is a task's, by its own ids, taken out. */
function takeOwn<T>(
  left: Map<ResourceId, T>,
  resources: ReadonlyMap<ResourceId, ResourceId>,
): Map<ResourceId, T> {
  const own = new Map<ResourceId, T>();
  for (const [id, linkedId] of resources) {
    const value = left.get(linkedId);
    if (value === undefined) continue;
    own.set(id, value);
    left.delete(linkedId);
  }
  return own;
}
