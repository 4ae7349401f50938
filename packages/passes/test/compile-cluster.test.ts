import { builtinRegistry, distributedCluster, type Module, verifyLinked } from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compileCluster, linkWorkers } from '../src/index.js';
import { small } from './fixture.js';

const cluster = distributedCluster({
  psHosts: ['a:1', 'b:1'],
  workerHosts: ['c:1', 'd:1', 'e:1'],
  numGpus: 2,
});
type Options = Pick<CompileOptions, 'strategy' | 'stagedVars' | 'crossReplicaSync' | 'allowUndefined'>;

describe('a model compiled for a whole cluster', () => {
  it.each<Options>([
    { strategy: 'parameter_server' },
    { strategy: 'parameter_server', stagedVars: true },
    { strategy: 'parameter_server', crossReplicaSync: false },
    { strategy: 'distributed_replicated' },
  ])('is proved together, and has a task for each worker: %j', (options) => {
    const { linked, workers } = compileCluster(small, { ...options, cluster });
    expect(workers.map(({ module }) => module.task?.index)).toEqual([0, 1, 2]);
    expect(linked.tasks).toHaveLength(3);
    const { permittedSkew } = workers[0]?.contract ?? { permittedSkew: 'none' };
    expect(verifyLinked(linked, builtinRegistry, { all: true, permittedSkew })).toEqual([]);
  });

  it('is refused where the order between the workers is missing, unless it is not to be proved', () => {
    const { workers } = compileCluster(small, { strategy: 'parameter_server', cluster });
    const [chief] = workers;
    if (chief === undefined) throw new Error('there is no worker');
    const ungated = workers.map(({ module }) => withoutGate(module));
    expect(() => linkWorkers(ungated, chief.contract)).toThrow(
      expect.objectContaining({
        code: 'PW_INVARIANT',
        message: expect.stringContaining('no-race-across-tasks'),
      }),
    );
    expect(linkWorkers(ungated, chief.contract, { verify: false }).tasks).toHaveLength(3);
  });

  it('needs a worker', () => {
    const servers = { ...cluster, jobs: cluster.jobs.slice(0, 1) };
    expect(() => compileCluster(small, { strategy: 'parameter_server', cluster: servers })).toThrow(
      expect.objectContaining({ code: 'PW_CLUSTER_TASK' }),
    );
  });
});

/** The module without the order that `gate-updates` put between the workers: nothing waits for its nodes any more. */
function withoutGate(module: Module): Module {
  const gates = new Set(
    [...module.graph.nodes.values()]
      .filter(({ origin }) => origin.pass === 'gate-updates')
      .map(({ id }) => id),
  );
  const nodes = new Map(
    [...module.graph.nodes].map(([id, node]) => [
      id,
      gates.has(id) ? node : { ...node, controls: node.controls.filter((before) => !gates.has(before)) },
    ]),
  );
  return { ...module, graph: { nodes } };
}
