import type { Module, OptimizerSpec, TensorValue } from '@placewright/ir';
import { describe, expect, test } from 'vitest';
import {
  type Checkpoint,
  captureCheckpoint,
  loadCheckpoint,
  mapState,
  planRestore,
  type Restoration,
  saveCheckpoint,
} from '../../src/checkpoint/index.js';
import type { Session } from '../../src/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { evaluate } from '../../src/evaluate.js';
import { type ResumedRun, type StepReport, train } from '../../src/train-loop.js';
import { loadInline } from '../inline.js';
import {
  batches,
  CASES,
  type Compiled,
  compileCase,
  OPTIMIZERS,
  temporaryFolder,
  testBatches,
} from './cases.js';

const at = temporaryFolder();
const NAMES = Object.keys(CASES);

type Load = (module: Module) => Promise<Session>;
const reference: Load = (module) => referenceEngine.load(module);

async function withSession<T>(
  load: Load,
  { module }: Compiled,
  body: (s: Session) => Promise<T>,
): Promise<T> {
  const session = await load(module);
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}

const lossOf = async (session: Session): Promise<number> =>
  (await evaluate(session, { feeds: testBatches() })).loss;

const progressOf = (reports: readonly StepReport[]) =>
  new Map([['', { reports, batch: reports.length, data: 'synthetic' }]]);

async function capture(
  session: Session,
  compiled: Compiled,
  reports: readonly StepReport[],
): Promise<Checkpoint> {
  const state = await session.readState();
  return captureCheckpoint({ ...compiled, state, step: reports.length, progress: progressOf(reports) });
}

interface Trained {
  readonly checkpoint: Checkpoint;
  readonly loss: number;
  readonly losses: readonly number[];
}

/** Trains, saves after `save` steps, goes on to `steps`, and evaluates at the time of saving. */
async function trained(load: Load, compiled: Compiled, save: number, steps: number): Promise<Trained> {
  return withSession(load, compiled, async (session) => {
    let saved: { checkpoint: Checkpoint; loss: number } | undefined;
    const { reports } = await train(session, {
      module: compiled.module,
      steps,
      feeds: batches(),
      afterStep: async (done) => {
        if (done.length !== save) return;
        saved = { checkpoint: await capture(session, compiled, [...done]), loss: await lossOf(session) };
      },
    });
    if (saved === undefined) throw new Error('nothing was saved');
    return { ...saved, losses: reports.map(({ loss }) => loss) };
  });
}

/** `resume` of a training loop. */
const resuming =
  ({ state, same, progress }: Restoration) =>
  async (session: Session): Promise<ResumedRun> => {
    await session.writeState(state);
    return { reports: progress.get('')?.reports ?? [], warm: same };
  };

/** Values of all variables of a name in a session. */
async function holdersOf(session: Session, module: Module): Promise<Map<string, readonly TensorValue[]>> {
  const { variables } = await session.readState();
  return new Map(
    mapState(module).saved.map(({ name, holders }) => [
      name,
      holders.map(({ id }) => variables.get(id) as TensorValue),
    ]),
  );
}

async function throughFile(checkpoint: Checkpoint, name: string): Promise<Checkpoint> {
  const path = at(`${name.replaceAll(' ', '_')}.safetensors`);
  await saveCheckpoint(path, checkpoint);
  return loadCheckpoint(path);
}

describe.each(Object.keys(OPTIMIZERS) as OptimizerSpec['kind'][])(
  'a checkpoint of a run with %s',
  (optimizer) => {
    test.each(NAMES)('by %s loads into every strategy', async (from) => {
      const source = compileCase(from, optimizer);
      const { checkpoint, loss } = await trained(reference, source, 3, 3);
      const loaded = await throughFile(checkpoint, `${from} ${optimizer}`);
      expect(loaded).toEqual(checkpoint);
      expect(loaded.variables.get('global_step')?.data[0]).toBe(3n);
      for (const to of NAMES) {
        const target = compileCase(to, optimizer, { seed: 2 });
        await withSession(reference, target, async (session) => {
          await session.run('init');
          const plan = planRestore(target.module, loaded, target);
          expect(plan.same).toBe(from === to);
          await session.writeState(plan.state);
          expect(await lossOf(session), `${from} to ${to}`).toBe(loss);
          const holders = await holdersOf(session, target.module);
          expect([...holders.keys()].sort()).toEqual([...loaded.variables.keys()].sort());
          for (const [name, values] of holders) expect(values[0], name).toEqual(loaded.variables.get(name));
          // Towers other than the first have values of their own under their own strategy alone.
          if (from !== to)
            for (const [name, values] of holders)
              for (const value of values) expect(value, name).toEqual(values[0]);
          // And what was loaded is what is saved again.
          expect((await capture(session, target, [])).variables).toEqual(loaded.variables);
        });
      }
    });
  },
);

test('holds variables, slots, moments and the step by the names that all strategies share', async () => {
  const { checkpoint } = await trained(reference, compileCase('replicated nccl'), 1, 1);
  const names = [...checkpoint.variables.keys()].filter((name) => name.startsWith('conv0/'));
  expect(names.map((name) => name.replace(/batchnorm\d*/, 'batchnorm'))).toEqual([
    'conv0/conv2d/kernel',
    'conv0/batchnorm/beta',
    'conv0/batchnorm/gamma',
    'conv0/batchnorm/moving_mean',
    'conv0/batchnorm/moving_variance',
    'conv0/conv2d/kernel/Momentum',
    'conv0/batchnorm/beta/Momentum',
    'conv0/batchnorm/gamma/Momentum',
  ]);
  expect(checkpoint.variables.get('global_step')?.data[0]).toBe(1n);
  expect(checkpoint.slots.get('conv0/conv2d/kernel/Momentum')).toBe('conv0/conv2d/kernel');
});

test('keeps the towers that differ for the same strategy alone', async () => {
  const own = async (name: string): Promise<string[]> => {
    const { checkpoint } = await trained(reference, compileCase(name, 'sgd'), 2, 2);
    return [...checkpoint.resume.variables.keys()];
  };
  expect(await own('parameter_server gpu staged')).toEqual([]);
  // Tower 0 alone moves the averages.
  const averages = await own('replicated nccl');
  expect(averages).toHaveLength(4);
  for (const key of averages) expect(key).toMatch(/^v1\/conv\d\/.*\/moving_(mean|variance)@\/device:GPU:1$/);
  expect(await own('independent')).toContain('v1/conv0/conv2d/kernel@/device:GPU:1');
});

describe.each([
  ['reference', reference],
  ['embedded', (module: Module) => loadInline(module)],
] as const)('on the %s engine', (engine, load) => {
  test.each(NAMES)('%s goes on to the same losses', async (name) => {
    const compiled = compileCase(name);
    const { checkpoint, losses } = await trained(load, compiled, 3, 7);
    const loaded = await throughFile(checkpoint, `${engine} ${name}`);
    const resumed = await withSession(load, compiled, async (session) => {
      const plan = planRestore(compiled.module, loaded, compiled);
      expect(plan.same).toBe(true);
      const start = plan.progress.get('')?.batch ?? 0;
      const options = { module: compiled.module, steps: 7, feeds: batches(start), resume: resuming(plan) };
      return train(session, options);
    });
    expect(resumed.reports.map(({ loss }) => loss)).toEqual(losses);
    expect(resumed.reports.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test.each(['replicated nccl', 'parameter_server cpu staged'])(
    '%s goes on to drop the same',
    async (name) => {
      const compiled = compileCase(name, 'sgd', { model: 'dropping' });
      const { checkpoint, losses } = await trained(load, compiled, 2, 4);
      expect(new Set(losses).size).toBe(4);
      const resumed = await withSession(load, compiled, async (session) => {
        const plan = planRestore(compiled.module, checkpoint, compiled);
        return train(session, {
          module: compiled.module,
          steps: 4,
          feeds: batches(2),
          resume: resuming(plan),
        });
      });
      expect(resumed.reports.map(({ loss }) => loss)).toEqual(losses);
    },
  );

  test('another strategy goes on from the same variables, and fills its staging areas anew', async () => {
    const { checkpoint, losses } = await trained(load, compileCase('parameter_server gpu staged'), 3, 3);
    const target = compileCase('parameter_server cpu staged');
    const resumed = await withSession(load, target, async (session) => {
      const plan = planRestore(target.module, checkpoint, target);
      expect(plan.same).toBe(false);
      return train(session, { module: target.module, steps: 6, feeds: batches(3), resume: resuming(plan) });
    });
    expect(resumed.reports).toHaveLength(6);
    expect(resumed.reports.slice(0, 3).map(({ loss }) => loss)).toEqual(losses);
    for (const { loss } of resumed.reports) expect(loss).toBeGreaterThan(0);
  });
});

test('a run that is done has nothing left to do', async () => {
  const compiled = compileCase('parameter_server gpu staged', 'sgd');
  const { checkpoint, losses } = await trained(reference, compiled, 2, 2);
  await withSession(reference, compiled, async (session) => {
    const resume = resuming(planRestore(compiled.module, checkpoint, compiled));
    const result = await train(session, { module: compiled.module, steps: 2, feeds: batches(2), resume });
    expect(result.reports.map(({ loss }) => loss)).toEqual(losses);
    expect(result.reason).toBe('done');
  });
});
