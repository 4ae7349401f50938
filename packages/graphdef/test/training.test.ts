import { buildModel, type Module, nodeName, type TensorValue } from '@placewright/ir';
import { lookupModel } from '@placewright/models';
import { compile, type StrategyName, type StrategyOptions } from '@placewright/passes';
import {
  engineSuite,
  feedsFor,
  mustBeNear,
  RUN_TOLERANCE,
  type RunFeeds,
  randomInts,
  randomSource,
  runLowered,
} from '@placewright/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasTensorFlow, startTensorFlow, type TensorFlow } from './tensorflow/python.js';
import { openSession, type TensorFlowSession } from './tensorflow/session.js';

// TensorFlow takes its time to start, more so where other tests run beside this one.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

// Whole training runs of lowered modules: initialisation, copies, warm-up and steps, by TensorFlow and by the interpreter.

const ROWS = 2;
const LOSS_TOLERANCE = 1e-5;

const STRATEGIES: readonly (readonly [name: StrategyName, options: StrategyOptions])[] = [
  ['independent', {}],
  ['parameter_server', { localParameterDevice: 'cpu' }],
  ['parameter_server', { localParameterDevice: 'gpu' }],
  ['parameter_server', { localParameterDevice: 'cpu', stagedVars: true }],
  ['parameter_server', { localParameterDevice: 'gpu', stagedVars: true }],
  ['replicated', { useNccl: true }],
  ['replicated', { useNccl: false, localParameterDevice: 'cpu' }],
  ['replicated', { useNccl: false, localParameterDevice: 'gpu' }],
];

type Values = ReadonlyMap<string, TensorValue>;

/** LeNet is large for the interpreter: one way of each strategy, and fewer steps. */
const LARGE = STRATEGIES.filter((_, i) => [0, 3, 5].includes(i));

const cases = (model: string, strategies: typeof STRATEGIES, steps: number) =>
  strategies.flatMap(([strategy, options]) =>
    [1, 2, 3].map((towers) => {
      const flags = Object.entries(options).map(([name, value]) => `${name}=${value}`);
      const title = [model, strategy, ...flags, `towers=${towers}`].join(' ');
      return { model, strategy, options, towers, steps, title };
    }),
  );

const CASES = [
  ...cases('tiny', STRATEGIES, 4),
  ...cases('tinybn', STRATEGIES, 4),
  ...cases('lenet', LARGE, 2),
];
type Case = (typeof CASES)[number];

function lowered({ model, strategy, options, towers }: Case, collectives: 'nccl' | 'copies'): Module {
  return compile(buildModel(lookupModel(model).factory(), { seed: 5 }), {
    strategy,
    ...options,
    numGpus: towers,
    target: { collectives },
  }).module;
}

/** Other rows in every step: pixels and labels. */
function feedsOf(module: Module, steps: number): RunFeeds {
  const random = randomSource(9);
  const batch = (): Map<string, TensorValue> =>
    new Map(
      (module.entries.step?.feeds ?? []).map(({ name, node }) => {
        const { dtype, shape } = module.graph.nodes.get(node)?.outputs[0] ?? { dtype: 'int32', shape: [] };
        const dims = shape.map((dim) => dim ?? ROWS * module.towers);
        const ints = randomInts('int32', dims, random, dtype === 'int32' ? 10 : 256);
        return [
          name,
          dtype === 'int32' ? ints : { dtype, shape: dims, data: Float32Array.from(ints.data as Int32Array) },
        ];
      }),
    );
  return { warmUp: batch(), eval: batch(), steps: Array.from({ length: steps }, batch) };
}

async function start(session: TensorFlowSession, module: Module, feeds: RunFeeds): Promise<void> {
  await session.run('init');
  if (module.entries.postInit !== undefined) await session.run('postInit');
  if (module.entries.warmUp !== undefined)
    await session.run('warmUp', feedsFor(module, 'warmUp', feeds.warmUp));
}

describe.skipIf(!hasTensorFlow())('needs TensorFlow: trains as the interpreter does', () => {
  let tensorflow: TensorFlow;
  /** The only one whose kernels for CPUs take channels first, as some random models have them. */
  let oneDnn: TensorFlow;
  beforeAll(() => {
    tensorflow = startTensorFlow();
    oneDnn = startTensorFlow({ TF_ENABLE_ONEDNN_OPTS: '1' });
  });
  afterAll(async () => {
    await Promise.all([tensorflow.close(), oneDnn.close()]);
  });

  async function compareTraining(module: Module, count: number, options = {}): Promise<void> {
    const feeds = feedsOf(module, count);
    const want = runLowered(module, feeds);
    const session = await openSession(tensorflow, module, options);
    try {
      await start(session, module, feeds);
      const steps: { fetches: Values; variables: Values }[] = [];
      for (const batch of feeds.steps) {
        const fetches = await session.run('step', batch);
        steps.push({ fetches, variables: await session.readVariables() });
      }
      want.steps.forEach(({ fetches, variables }, i) => {
        const loss = Number(fetches.get('loss')?.data[0]);
        const difference = Math.abs(Number(steps[i]?.fetches.get('loss')?.data[0]) - loss) / Math.abs(loss);
        expect(difference, `loss of step ${i}`).toBeLessThan(LOSS_TOLERANCE);
        for (const [name, value] of variables)
          mustBeNear(`${name} after step ${i}`, steps[i]?.variables.get(name), value, RUN_TOLERANCE);
      });
      const inference = await session.run('eval', feeds.eval);
      for (const [name, value] of want.eval) mustBeNear(name, inference.get(name), value, RUN_TOLERANCE);
    } finally {
      await session.close();
    }
  }

  for (const plan of CASES) {
    test(plan.title, () => compareTraining(lowered(plan, 'copies'), plan.steps));
  }

  const SUITE = /^(trains|gives any tensor|reads back|staging|what|queue)/;
  for (const { name, run } of engineSuite((module) => openSession(oneDnn, module), { modelRuns: 12 })) {
    if (SUITE.test(name)) test(`suite: ${name}`, run);
  }

  test('adds over devices by collectives', async () => {
    const plan = {
      ...CASES[0],
      model: 'tiny',
      strategy: 'replicated',
      options: { useNccl: true },
      towers: 3,
    } as Case;
    const module = lowered(plan, 'nccl');
    expect([...module.graph.nodes.values()].filter(({ op }) => op === 'NcclAllReduce')).not.toEqual([]);
    await compareTraining(module, plan.steps, { collectives: 'collective' });
  });

  test('runs every node where it was put', async () => {
    for (const plan of CASES.filter(({ model, towers }) => model === 'tiny' && towers === 3)) {
      const module = lowered(plan, 'copies');
      const feeds = feedsOf(module, 1);
      const session = await openSession(tensorflow, module);
      try {
        await start(session, module, feeds);
        const ran = new Map(
          (await session.trace('step', feeds.steps[0])).map(([device, node]) => [node, device]),
        );
        const nodes: string[] = [];
        for (const { name, device } of session.written.graph.node) {
          const where = ran.get(name);
          if (where === undefined) continue;
          expect(where, name).toBe(`/job:localhost/replica:0/task:0${device}`);
          nodes.push(name);
        }
        const updates = [...module.graph.nodes.values()].filter(({ op }) => op.startsWith('ResourceApply'));
        expect(nodes).toEqual(expect.arrayContaining(updates.map(nodeName)));
      } finally {
        await session.close();
      }
    }
  });
});
