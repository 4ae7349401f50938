import {
  distributedCluster,
  type LinkedModule,
  link,
  type OptimizerSpec,
  type TensorValue,
} from '@placewright/ir';
import { lookupModel } from '@placewright/models';
import { type CompileOptions, compile } from '@placewright/passes';
import { describe, expect, test } from 'vitest';
import {
  type Checkpoint,
  captureCheckpoint,
  checkpointFile,
  mapState,
  parseCheckpoint,
  planRestore,
  readClusterState,
  writeClusterState,
} from '../../src/checkpoint/index.js';
import type { ClusterSession, Session } from '../../src/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { type ClusterTrainResult, trainCluster } from '../../src/train-cluster.js';
import type { Feeds } from '../../src/train-loop.js';
import { loadInlineCluster } from '../inline.js';
import { batches, CASES, type Compiled, compileCase, OPTIMIZERS, testBatches } from './cases.js';

// A cluster's linked module is one module more: the same functions, and the same names in a checkpoint.

const WORKERS = 2;
type Case = Pick<CompileOptions, 'strategy' | 'stagedVars' | 'crossReplicaSync' | 'localParameterDevice'>;

const CLUSTERS: Readonly<Record<string, Case>> = {
  'distributed parameter_server': { strategy: 'parameter_server' },
  'distributed parameter_server staged': { strategy: 'parameter_server', stagedVars: true },
  'distributed parameter_server asynchronous': { strategy: 'parameter_server', crossReplicaSync: false },
  distributed_replicated: { strategy: 'distributed_replicated' },
};
const LOCAL = Object.keys(CASES);
const DISTRIBUTED = Object.keys(CLUSTERS);
const ALL = [...LOCAL, ...DISTRIBUTED];

interface Linked extends Compiled {
  readonly linked: LinkedModule;
}

const compiled = new Map<string, Linked>();

function compileCluster(name: string, optimizer: OptimizerSpec['kind']): Linked {
  const key = `${name} ${optimizer}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const cluster = distributedCluster({
    ...{ psHosts: ['a:1', 'b:1'], workerHosts: ['c:1', 'd:1'], numGpus: 2 },
  });
  const compilations = Array.from({ length: WORKERS }, (_, index) =>
    compile(lookupModel('tinybn').factory(), {
      ...(CLUSTERS[name] as Case),
      cluster,
      task: { job: 'worker', index },
      seed: 4,
      training: { optimizer: OPTIMIZERS[optimizer], weightDecay: 4e-5, clip: { kind: 'none' } },
    }),
  );
  const linked = link(compilations.map(({ module }) => module));
  const made = {
    linked,
    module: linked.module,
    strategy: name,
    choices: JSON.stringify(compilations[0]?.choices),
  };
  compiled.set(key, made);
  return made;
}

const compileAny = (name: string, optimizer: OptimizerSpec['kind']): Compiled =>
  name in CLUSTERS ? compileCluster(name, optimizer) : compileCase(name, optimizer);

const isLinked = ({ strategy }: Compiled): boolean => strategy in CLUSTERS;

/** A batch for every worker, or for the only task there is. */
function feedsFor(target: Compiled, batch: Feeds): Feeds {
  if (!isLinked(target)) return batch;
  return new Map(
    Array.from({ length: WORKERS }, (_, w) =>
      [...batch].map(([name, value]) => [`worker_${w}/${name}`, value] as const),
    ).flat(),
  );
}

const lossesOf = (fetched: ReadonlyMap<string, TensorValue>): number[] =>
  [...fetched].flatMap(([name, { data }]) => (/(^|\/)loss$/.test(name) ? [Number(data[0])] : []));

/** Loss of inference; with several workers, the first one's. */
async function evalLoss(session: Session, target: Compiled): Promise<number> {
  const [batch] = testBatches();
  return lossesOf(await session.run('eval', feedsFor(target, batch as Feeds)))[0] ?? Number.NaN;
}

async function initialise(session: Session, { module }: Compiled): Promise<void> {
  await session.run('init');
  if (module.entries.postInit !== undefined) await session.run('postInit');
}

/** Steps `from` to `to`, and before the first what fills staging areas. */
async function steps(session: Session, target: Compiled, from: number, to: number): Promise<number[][]> {
  const losses: number[][] = [];
  const order = batches(from);
  for (let step = from; step < to; step++) {
    const feeds = feedsFor(target, order.next().value as Feeds);
    if (step === 0 && target.module.entries.warmUp !== undefined) await session.run('warmUp', feeds);
    losses.push(lossesOf(await session.run('step', feeds)));
  }
  return losses;
}

const throughFile = (checkpoint: Checkpoint): Checkpoint => parseCheckpoint(checkpointFile(checkpoint));

async function trained(target: Compiled): Promise<{ checkpoint: Checkpoint; loss: number }> {
  const session = await referenceEngine.load(target.module);
  await initialise(session, target);
  await steps(session, target, 0, 2);
  const state = await session.readState();
  const checkpoint = throughFile(captureCheckpoint({ ...target, state, step: 2 }));
  return { checkpoint, loss: await evalLoss(session, target) };
}

async function loadsInto(
  checkpoint: Checkpoint,
  loss: number,
  target: Compiled,
  same: boolean,
): Promise<void> {
  const session = await referenceEngine.load(target.module);
  const plan = planRestore(target.module, checkpoint, target);
  expect(plan.same).toBe(same);
  await session.writeState(plan.state);
  const state = await session.readState();
  for (const { name, holders } of mapState(target.module).saved) {
    const values = holders.map(({ id }) => state.variables.get(id));
    expect(same ? values.slice(0, 1) : values, name).toContainEqual(checkpoint.variables.get(name));
    if (!same) for (const value of values) expect(value, name).toEqual(values[0]);
  }
  const again = captureCheckpoint({ ...target, state, step: 2 });
  expect(again.variables.size).toBe(checkpoint.variables.size);
  for (const [name, value] of checkpoint.variables) expect(again.variables.get(name), name).toEqual(value);
  expect(await evalLoss(session, target), `${checkpoint.strategy} into ${target.strategy}`).toBe(loss);
}

// SGD has no slots, and so nothing that the others have not.
describe.each(['momentum', 'rmsprop'] as const)('with %s', (optimizer) => {
  test.each(ALL)(
    'a checkpoint of %s loads into every strategy of a cluster',
    { timeout: 60_000 },
    async (from) => {
      const { checkpoint, loss } = await trained(compileAny(from, optimizer));
      // Between local strategies: strategies.test.ts.
      for (const to of from in CLUSTERS ? ALL : DISTRIBUTED) {
        await loadsInto(checkpoint, loss, compileAny(to, optimizer), from === to);
      }
    },
  );
});

test.each(DISTRIBUTED)('%s goes on to the same losses', async (name) => {
  const target = compileCluster(name, 'momentum');
  const first = await referenceEngine.load(target.module);
  await initialise(first, target);
  await steps(first, target, 0, 2);
  const checkpoint = throughFile(captureCheckpoint({ ...target, state: await first.readState(), step: 2 }));
  const wanted = await steps(first, target, 2, 5);
  const second = await referenceEngine.load(target.module);
  const plan = planRestore(target.module, checkpoint, target);
  expect(plan.same).toBe(true);
  await second.writeState(plan.state);
  expect(await steps(second, target, 2, 5)).toEqual(wanted);
});

// The tasks of a cluster each in a session of its own, at the same time.

async function runAll(
  cluster: ClusterSession,
  { linked }: Linked,
  entry: 'init' | 'postInit',
): Promise<void> {
  const running = linked.tasks.map(({ entries }, task) =>
    entries[entry] === undefined ? undefined : cluster.session(task).run(entry),
  );
  await Promise.all(running);
}

async function clusterSteps(
  cluster: ClusterSession,
  target: Linked,
  from: number,
  to: number,
): Promise<number[][]> {
  const order = batches(from);
  const losses: number[][] = [];
  for (let step = from; step < to; step++) {
    const feeds = order.next().value as Feeds;
    const all = (entry: 'warmUp' | 'step') =>
      Promise.all(target.linked.tasks.map((_, task) => cluster.session(task).run(entry, feeds)));
    if (step === 0 && target.module.entries.warmUp !== undefined) await all('warmUp');
    losses.push((await all('step')).flatMap(lossesOf));
  }
  return losses;
}

const SYNCHRONOUS = DISTRIBUTED.filter((name) => CLUSTERS[name]?.crossReplicaSync !== false);

/**
 * Workers' updates come in the order of arrival, which the embedded engine leaves open: there, what a run has in common
 * with another from the same state is the losses of the next step.
 */
const ENGINES = [
  { engine: 'reference', common: 9, load: (linked: LinkedModule) => referenceEngine.loadCluster?.(linked) },
  { engine: 'embedded', common: 1, load: (linked: LinkedModule) => loadInlineCluster(linked) },
] as const;

describe.each(ENGINES)('sessions of all tasks on the $engine engine', ({ load, common }) => {
  test.each(SYNCHRONOUS)('%s goes on to the same losses', async (name) => {
    const target = compileCluster(name, 'momentum');
    const open = async (): Promise<ClusterSession> => (await load(target.linked)) as ClusterSession;
    const first = await open();
    await runAll(first, target, 'init');
    await runAll(first, target, 'postInit');
    await clusterSteps(first, target, 0, 2);
    const state = await readClusterState(target.linked, first);
    const checkpoint = throughFile(captureCheckpoint({ ...target, state, step: 2 }));
    const wanted = await clusterSteps(first, target, 2, 4);
    await first.close();
    const second = await open();
    const plan = planRestore(target.module, checkpoint, target);
    expect(plan.same).toBe(true);
    await writeClusterState(target.linked, second, plan.state);
    expect(await readClusterState(target.linked, second)).toEqual(state);
    const found = await clusterSteps(second, target, 2, 4);
    expect(found.slice(0, common)).toEqual(wanted.slice(0, common));
    await second.close();
  });
});

describe.each(ENGINES)('training a cluster on the $engine engine', ({ load, common }) => {
  const open = async ({ linked }: Linked): Promise<ClusterSession> => (await load(linked)) as ClusterSession;
  const losses = ({ workers }: ClusterTrainResult, count = 9): number[][] =>
    workers.map(({ reports }) => reports.slice(0, count).map(({ loss }) => loss));

  test.each(SYNCHRONOUS)('%s saves in between and goes on to the same losses', async (name) => {
    const target = compileCluster(name, 'momentum');
    const { linked, module } = target;
    const saved: Checkpoint[] = [];
    const first = await open(target);
    const whole = await trainCluster(first, {
      ...{ linked, steps: 5, feedsOf: () => batches(), saveEvery: 2 },
      save: async (reports) => {
        const progress = new Map(
          [...reports].map(([task, own]) => [`${task}`, { reports: own, batch: own.length, data: 'd' }]),
        );
        const state = await readClusterState(linked, first);
        saved.push(
          throughFile(captureCheckpoint({ ...target, state, step: 2 * (saved.length + 1), progress })),
        );
      },
    });
    await first.close();
    expect(saved.map(({ step }) => step)).toEqual([2, 4]);
    for (const checkpoint of saved) {
      const { progress } = checkpoint.resume;
      const cluster = await open(target);
      const resumed = await trainCluster(cluster, {
        ...{ linked, steps: 5, feedsOf: (task: number) => batches(progress.get(`${task}`)?.batch) },
        resume: async () => {
          const plan = planRestore(module, checkpoint, target);
          await writeClusterState(linked, cluster, plan.state);
          const reports = new Map([...progress].map(([task, own]) => [Number(task), own.reports]));
          return { reports, warm: plan.same };
        },
      });
      await cluster.close();
      const until = checkpoint.step + common;
      expect(losses(resumed, until)).toEqual(losses(whole, until));
      expect(losses(resumed).map(({ length }) => length)).toEqual([5, 5]);
      if (common === 1) continue;
      const ends = ({ workers }: ClusterTrainResult) =>
        workers.map(({ globalStep, norms }) => ({ globalStep, norms }));
      expect(ends(resumed)).toEqual(ends(whole));
    }
  });

  test('asynchronous workers meet to save, each with as many steps', async () => {
    const target = compileCluster('distributed parameter_server asynchronous', 'sgd');
    const cluster = await open(target);
    const met: number[][] = [];
    await trainCluster(cluster, {
      ...{ linked: target.linked, steps: 4, feedsOf: () => batches(), saveEvery: 2 },
      save: async (reports) => void met.push([...reports.values()].map(({ length }) => length)),
    });
    await cluster.close();
    expect(met).toEqual([
      [2, 2],
      [4, 4],
    ]);
  });

  test('what cannot be saved ends training with its reason', async () => {
    const target = compileCluster('distributed parameter_server', 'sgd');
    const cluster = await open(target);
    const failing = trainCluster(cluster, {
      ...{ linked: target.linked, steps: 4, feedsOf: () => batches() },
      save: () => Promise.reject(new Error('the disk is full')),
    });
    await expect(failing).rejects.toThrow('the disk is full');
    await cluster.close();
  });
});
