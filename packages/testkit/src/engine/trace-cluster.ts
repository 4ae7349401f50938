import type { EntryName, LinkedModule, LinkedTask, TensorValue } from '@placewright/ir';
import type { WorkerTrace } from '../cluster-run.js';
import { feedsFor, type RunFeeds } from '../lowered.js';
import type { SessionLike } from './session.js';

/**
 * Trains a loaded cluster as its workers would, each at its own pace: the chief initialises, then the others; all copy,
 * warm up and wait for each other, and take their steps. As `runCluster` does on the interpreter.
 */
export async function traceCluster(
  linked: LinkedModule,
  sessions: readonly SessionLike[],
  feeds: readonly RunFeeds[],
): Promise<WorkerTrace[]> {
  const run = async (session: SessionLike, task: number, entry: EntryName): Promise<void> => {
    const { entries } = linked.tasks[task] as LinkedTask;
    const batch = feedsFor({ ...linked.module, entries }, entry, feeds[task]?.warmUp ?? new Map());
    if (entries[entry] !== undefined) await session.run(entry, batch);
  };
  const all = async (entry: EntryName): Promise<void> => {
    await Promise.all(sessions.map((session, task) => run(session, task, entry)));
  };
  const [chief] = sessions;
  if (chief !== undefined) await run(chief, 0, 'init');
  await Promise.all(sessions.map((session, task) => (task === 0 ? undefined : run(session, task, 'init'))));
  for (const entry of ['postInit', 'warmUp', 'barrier'] as const) await all(entry);
  const steps = await Promise.all(
    sessions.map(async (session, task) => {
      const fetched: ReadonlyMap<string, TensorValue>[] = [];
      for (const batch of feeds[task]?.steps ?? []) fetched.push(await session.run('step', batch));
      return fetched;
    }),
  );
  await all('barrier');
  return Promise.all(
    sessions.map(async (session, task) => ({
      steps: steps[task] ?? [],
      variables: await session.readVariables(),
    })),
  );
}
