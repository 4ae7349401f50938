import {
  ancestors,
  builtinRegistry,
  chosenInvariants,
  clusterDevices,
  type Module,
  type QueueResource,
  verify,
} from '@placewright/ir';
import { describe, expect, it } from 'vitest';
import {
  type Compilation,
  type CompileOptions,
  compile,
  contractOf,
  distributedReplicated,
} from '../src/index.js';
import { small, tasks } from './fixture.js';

type Options = Pick<CompileOptions, 'strategy'> & Partial<CompileOptions>;

const STRATEGIES: readonly Options[] = [
  { strategy: 'parameter_server' },
  { strategy: 'parameter_server', localParameterDevice: 'cpu' },
  { strategy: 'parameter_server', stagedVars: true },
  { strategy: 'parameter_server', crossReplicaSync: false },
  { strategy: 'parameter_server', stagedVars: true, crossReplicaSync: false },
  { strategy: 'distributed_replicated' },
  { strategy: 'distributed_replicated', localParameterDevice: 'cpu' },
];
const SIZES = [
  { ps: 1, workers: 1, towers: 1 },
  { ps: 2, workers: 2, towers: 2 },
  { ps: 3, workers: 3, towers: 4 },
  { ps: 2, workers: 12, towers: 1 },
];
const TRAINING = [
  { optimizer: { kind: 'sgd', learningRate: 0.1 }, weightDecay: 0, clip: { kind: 'none' } },
  {
    optimizer: { kind: 'momentum', learningRate: 0.1, momentum: 0.9, nesterov: true },
    weightDecay: 0.01,
    clip: { kind: 'value', limit: 1 },
  },
  {
    optimizer: { kind: 'rmsprop', learningRate: 0.1, decay: 0.9, momentum: 0.9, epsilon: 1 },
    weightDecay: 0,
    clip: { kind: 'globalNorm', limit: 1 },
  },
] as const satisfies readonly CompileOptions['training'][];

const shown = ({ strategy, training: _, ...rest }: Options): string =>
  [strategy, ...Object.entries(rest).map(([name, value]) => `${name}=${value}`)].join(' ');

/** Compiles for the last worker of the cluster, which is the chief where there is one. */
function compiled({ ps, workers, towers }: (typeof SIZES)[number], options: Options): Compilation {
  const cluster = tasks(ps, workers, towers);
  return compile(small, { ...options, cluster, task: { job: 'worker', index: workers - 1 } });
}

const queuesOf = (module: Module): QueueResource[] =>
  [...module.resources.values()].filter((r): r is QueueResource => r.kind === 'queue');

describe.each(STRATEGIES.map((options) => [shown(options), options] as const))('%s', (_name, options) => {
  for (const size of SIZES) {
    it(`compiles for ${size.ps} servers, ${size.workers} workers of ${size.towers} towers`, () => {
      for (const training of TRAINING) {
        const { module } = compiled(size, { ...options, training });
        expect(verify(module, builtinRegistry)).toEqual([]);
        expect(module.established).toEqual(
          expect.arrayContaining([
            'every-node-placed',
            'resource-colocated',
            'no-race',
            'transfers-explicit',
          ]),
        );
        expect(chosenInvariants(module).map(({ name }) => name)).toEqual(
          expect.arrayContaining(module.established as string[]),
        );
        const devices = new Set(clusterDevices(tasks(size.ps, size.workers, size.towers)));
        const used = [...module.graph.nodes.values(), ...module.resources.values()];
        expect(used.filter(({ device }) => !devices.has(device))).toEqual([]);
        expect(module.task).toEqual({ job: 'worker', index: size.workers - 1 });
      }
    });
  }

  it('computes on the devices of its own task alone, but for what acts on the parameter servers', () => {
    const { module } = compiled({ ps: 2, workers: 2, towers: 2 }, options);
    const elsewhere = [...module.graph.nodes.values()].filter(
      ({ device }) => !device.startsWith('/job:worker/task:1/'),
    );
    const needed = elsewhere.filter(
      ({ op, resources }) => resources.length === 0 && !['Transfer', 'Const', 'NoOp'].includes(op),
    );
    expect(needed).toEqual([]);
    expect(elsewhere.every(({ device }) => device.startsWith('/job:ps/'))).toBe(true);
  });
});

describe('what a worker waits for', () => {
  it('synchronous: every step ends with a barrier, and in dps every update has another one before', () => {
    const names = (options: Options) =>
      queuesOf(compiled({ ps: 2, workers: 2, towers: 1 }, options).module).map(({ name }) => name);
    expect(names({ strategy: 'parameter_server' })).toEqual([
      'sync_queues_step_end_0',
      'sync_queues_step_end_1',
      'gate_updates_0',
      'gate_updates_1',
    ]);
    expect(names({ strategy: 'parameter_server', crossReplicaSync: false })).toEqual([
      'execution_barrier_0',
      'execution_barrier_1',
    ]);
    expect(names({ strategy: 'distributed_replicated' }).slice(0, 6)).toEqual([
      'replicate_variable_00',
      'replicate_variable_01',
      'replicate_variable_10',
      'replicate_variable_11',
      'sync_queues_step_end_0',
      'sync_queues_step_end_1',
    ]);
  });

  it('asynchronous: no step waits for the entry barrier', () => {
    const { module } = compiled(
      { ps: 2, workers: 2, towers: 1 },
      {
        strategy: 'parameter_server',
        crossReplicaSync: false,
      },
    );
    const step = ancestors(module.graph, module.entries.step?.rounds.flat() ?? []);
    expect((module.entries.barrier?.rounds.flat() ?? []).filter((id) => step.has(id))).toEqual([]);
    expect([...step].filter((id) => module.graph.nodes.get(id)?.op.startsWith('Queue'))).toEqual([]);
  });
});

describe('contracts', () => {
  const contract = (options: Options) => compiled({ ps: 1, workers: 2, towers: 2 }, options).contract;

  it('say what workers promise each other', () => {
    expect(contract({ strategy: 'parameter_server' })).toEqual({
      staleReads: 0,
      staleGradients: 0,
      reduction: 'mean',
      replicasStayEqual: true,
      workers: 'add',
      permittedSkew: 'none',
      wireRounding: 'none',
      saved: 'all',
    });
    expect(contract({ strategy: 'distributed_replicated' })).toMatchObject({
      reduction: 'mean',
      replicasStayEqual: true,
      workers: 'add',
      permittedSkew: 'none',
      saved: 'shadows',
    });
  });

  it("asynchronous workers may see one another's updates early, and then differ", () => {
    expect(contract({ strategy: 'parameter_server', crossReplicaSync: false })).toMatchObject({
      permittedSkew: 'otherWorkers',
      replicasStayEqual: true,
    });
    // Illegal for a user, but a table all the same.
    const options = { localParameterDevice: 'cpu', crossReplicaSync: false, reduction: 'mean' } as const;
    const context = { host: '/device:CPU:0', clipping: { kind: 'none' }, distributed: true } as const;
    const complete = { ...options, stagedVars: false, useNccl: false };
    expect(contractOf(distributedReplicated.choices(complete, context))).toMatchObject({
      permittedSkew: 'otherWorkers',
      replicasStayEqual: false,
    });
  });

  it('of one machine know no workers', () => {
    const { choices } = compile(small, { strategy: 'replicated', numGpus: 2 });
    expect(contractOf(choices)).toMatchObject({
      workers: 'none',
      permittedSkew: 'none',
      replicasStayEqual: true,
    });
  });
});
