import type { LinkedModule } from '@placewright/ir';
import type { SessionLike } from './session.js';

type Maybe<T> = T | Promise<T>;

/** What the suite needs of a loaded cluster: the runtime's own has this form, and so may a user's. */
export interface ClusterSessionLike {
  /** By the index in `LinkedModule.tasks`; to close one says that its task will run nothing any more. */
  session(task: number): SessionLike;
  close(): Maybe<void>;
}

/** Loads a linked cluster, with whatever options the engine knows. */
export type LoadCluster<O = unknown> = (linked: LinkedModule, options?: O) => Maybe<ClusterSessionLike>;

/** Loads, runs `body` with the session of each task, and closes whatever happens. */
export async function withCluster<T>(
  load: LoadCluster,
  linked: LinkedModule,
  body: (sessions: readonly SessionLike[]) => Promise<T>,
): Promise<T> {
  const cluster = await load(linked);
  try {
    return await body(linked.tasks.map((_, task) => cluster.session(task)));
  } finally {
    await cluster.close();
  }
}
