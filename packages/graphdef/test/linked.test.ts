import { buildModel, distributedCluster, link, WORKER_JOB } from '@placewright/ir';
import { lookupModel } from '@placewright/models';
import { compile } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import { fromGraphDef, linkedGraphDef } from '../src/index.js';

const cluster = distributedCluster({
  psHosts: ['ps0:2222'],
  workerHosts: ['worker0:2222', 'worker1:2222'],
  numGpus: 2,
});
const source = buildModel(lookupModel('tiny').factory());
const linked = link(
  [0, 1].map(
    (index) =>
      compile(source, { strategy: 'distributed_replicated', cluster, task: { job: WORKER_JOB, index } })
        .module,
  ),
);

describe('a whole cluster in one GraphDef', () => {
  const { graph, sidecar, tasks } = linkedGraphDef(linked);
  const byName = new Map(graph.node.map((node) => [node.name, node]));

  test('has full names of devices, with the replica', () => {
    const devices = new Set(graph.node.map(({ device }) => device));
    expect([...devices].sort()).toEqual([
      '/job:ps/replica:0/task:0/device:CPU:0',
      '/job:worker/replica:0/task:0/device:CPU:0',
      '/job:worker/replica:0/task:0/device:GPU:0',
      '/job:worker/replica:0/task:0/device:GPU:1',
      '/job:worker/replica:0/task:1/device:CPU:0',
      '/job:worker/replica:0/task:1/device:GPU:0',
      '/job:worker/replica:0/task:1/device:GPU:1',
    ]);
  });

  test('shares what the workers share: queues, and variables of the parameter servers', () => {
    const queues = graph.node.filter(({ op }) => op === 'FIFOQueueV2').map(({ name }) => name);
    expect(queues.length).toBeGreaterThan(1);
    for (const queue of queues) {
      const users = graph.node.filter(({ input }) => input[0] === queue);
      const workers = new Set(users.map(({ name }) => name.split('/')[0]));
      expect(workers, queue).toEqual(new Set(['worker_0', 'worker_1']));
    }
    const names = sidecar.variables.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['worker_0/v0/conv0/biases', 'worker_1/v0/conv0/biases']));
    expect(names.filter((name) => name.endsWith('ps_var/v0/conv0/biases'))).toHaveLength(1);
  });

  test('names what each worker runs, and all together', () => {
    expect(tasks.map(({ task }) => task)).toEqual([0, 1].map((index) => ({ job: 'worker', index })));
    for (const { entries } of tasks) {
      for (const { feeds, fetches, rounds } of Object.values(entries)) {
        const named = [
          ...[...feeds, ...fetches].map(({ tensor }) => tensor.split(':')[0] ?? ''),
          ...rounds.flat(),
        ];
        for (const name of named) expect(byName.has(name), name).toBe(true);
      }
    }
    const joint = sidecar.entries.step?.feeds.map(({ name }) => name);
    expect(joint).toEqual(['worker_0/images', 'worker_0/labels', 'worker_1/images', 'worker_1/labels']);
    expect(tasks[1]?.entries.step?.feeds.map(({ name }) => name)).toEqual(['images', 'labels']);
  });

  test('comes back', () => {
    const back = fromGraphDef(graph, { sidecar });
    expect(back.graph.nodes.size).toBe(linked.module.graph.nodes.size);
    expect(back.resources).toEqual(linked.module.resources);
    expect(back.entries).toEqual(linked.module.entries);
  });
});
