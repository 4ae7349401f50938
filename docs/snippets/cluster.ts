/** The snippets of docs/clusters.md. They are type-checked with the tests, and scripts/test/docs.test.mjs runs them. */
import {
  compile,
  distributedCluster,
  type Feeds,
  findEngine,
  link,
  tensorOf,
  trainCluster,
  type WorkerResult,
} from 'placewright';
import { line } from './builder.js';

// #region link
const cluster = distributedCluster({
  psHosts: ['a:2222', 'b:2222'],
  workerHosts: ['c:2222', 'd:2222'],
  numGpus: 2,
});
const modules = [0, 1].map((index) => {
  const task = { job: 'worker', index };
  return compile(line, { strategy: 'distributed_replicated', cluster, task }).module;
});
export const linked = link(modules);
// #endregion

/** Trains `line` on y = 2x + 1 with two workers; gives what became of each, and the shadows at the end. */
export async function fitCluster(): Promise<{
  workers: readonly WorkerResult[];
  values: ReadonlyMap<string, number>;
}> {
  // #region train
  const batchOf = (worker: number): Feeds => {
    const x = [0, 1, 2, 3].map((i) => i + 0.5 * worker);
    return new Map([
      ['x', tensorOf('float32', [4, 1], x)],
      [
        'y',
        tensorOf(
          'float32',
          [4, 1],
          x.map((value) => 2 * value + 1),
        ),
      ],
    ]);
  };
  const running = await findEngine('reference').loadCluster?.(linked);
  if (running === undefined) throw new Error('this engine runs no clusters');
  const { workers } = await trainCluster(running, {
    linked,
    steps: 200,
    feedsOf: (worker) => Array<Feeds>(200).fill(batchOf(worker)).values(),
  });
  const variables = await running.session(0).readVariables(['ps_var/v0/slope', 'ps_var/v0/offset']);
  await running.close();
  // #endregion
  const values = new Map([...variables].map(([name, { data }]) => [name, Number(data[0])]));
  return { workers, values };
}
