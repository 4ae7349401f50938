import { createInterpreter } from '@placewright/interp';
import { entryNodes, type Module, nodeName, nodeOf, type TensorRef } from '@placewright/ir';
import type fc from 'fast-check';
import { type TrainingCase, trainingCases } from '../arbitraries/case.js';
import { type StrategyPlan, strategyPlans } from '../arbitraries/strategy.js';
import { mustBeNear, type Tolerance } from '../compare.js';
import { type Feeds, feedsFor, type RunFeeds, type Trace } from '../lowered.js';
import { type Prepared, prepare } from '../prepare.js';
import { type EngineCheck, propertyCheck, type SuiteOptions } from './property.js';
import { mustRefuse } from './refusal.js';
import { type Load, type SessionLike, withSession } from './session.js';
import { ints } from './small.js';

/** Checks on whole training graphs: strategies, staging, fetches of inner tensors, variables, errors. */
export function modelChecks(load: Load, options: SuiteOptions): EngineCheck[] {
  const numRuns = options.modelRuns ?? 12;
  const cases = suiteCases(options, strategyPlans());
  const staged = suiteCases(options, strategyPlans().filter(isStaged));
  const check = (
    name: string,
    from: fc.Arbitrary<TrainingCase>,
    runs: number,
    body: (p: Prepared) => Promise<void>,
  ) => propertyCheck(name, from, { ...options, numRuns: runs }, (plan) => body(prepare(plan, { steps: 3 })));
  return [
    check('trains random models as the interpreter does', cases, numRuns, (p) =>
      compareTraining(load, p, options.runTolerance),
    ),
    check('trains staged models as the interpreter does', staged, Math.ceil(numRuns / 3), (p) =>
      compareTraining(load, p, options.runTolerance),
    ),
    check('gives any tensor that is asked for', cases, Math.ceil(numRuns / 3), (p) =>
      compareInner(load, p, options.runTolerance),
    ),
    check('reads back the variables that were written', cases, Math.ceil(numRuns / 4), (p) =>
      compareVariables(load, p),
    ),
    check('says what is wrong', cases, Math.ceil(numRuns / 4), (p) => checkErrors(load, p)),
  ];
}

const isStaged = ({ options }: StrategyPlan): boolean => options.stagedVars === true;

function suiteCases(
  { target = { collectives: 'copies' } }: SuiteOptions,
  strategies: fc.Arbitrary<StrategyPlan>,
) {
  return trainingCases({ maxTowers: 3, strategies: strategies.map((plan) => ({ ...plan, target })) });
}

/** What a training run on a session shows: all its steps, then inference. */
export async function trace(session: SessionLike, module: Module, feeds: RunFeeds): Promise<Trace> {
  await start(session, module, feeds.warmUp);
  const initial = await session.readVariables();
  const steps: Trace['steps'][number][] = [];
  for (const batch of feeds.steps) {
    const fetches = await session.run('step', batch);
    steps.push({ fetches, variables: await session.readVariables() });
  }
  const inference = module.entries.eval === undefined ? new Map() : await session.run('eval', feeds.eval);
  return { start: initial, steps, eval: inference };
}

async function start(session: SessionLike, module: Module, warmUp: Feeds): Promise<void> {
  await session.run('init');
  if (module.entries.postInit !== undefined) await session.run('postInit');
  if (module.entries.warmUp !== undefined) await session.run('warmUp', feedsFor(module, 'warmUp', warmUp));
}

async function compareTraining(load: Load, prepared: Prepared, tolerance: Tolerance): Promise<void> {
  const { module } = prepared.compilation;
  const want = prepared.lowered();
  const got = await withSession(load, module, (session) => trace(session, module, prepared.feeds));
  want.steps.forEach(({ fetches, variables }, k) => {
    for (const [name, value] of fetches)
      mustBeNear(`fetch ${name} of step ${k}`, got.steps[k]?.fetches.get(name), value, tolerance);
    for (const [name, value] of variables)
      mustBeNear(`variable ${name} after step ${k}`, got.steps[k]?.variables.get(name), value, tolerance);
  });
  for (const [name, value] of want.eval)
    mustBeNear(`fetch ${name} of eval`, got.eval.get(name), value, tolerance);
}

/** Inner tensors of the step by their shown names: all of them, or a handful. */
async function compareInner(
  load: Load,
  { compilation: { module }, feeds, case: { seed } }: Prepared,
  tolerance: Tolerance,
): Promise<void> {
  const tensors = innerTensors(module).filter((_, i) => seed % 2 === 0 || (i + seed) % 7 === 0);
  const reference = createInterpreter(module);
  reference.run('init');
  if (module.entries.postInit !== undefined) reference.run('postInit');
  if (module.entries.warmUp !== undefined) reference.run('warmUp', feedsFor(module, 'warmUp', feeds.warmUp));
  const batch = feeds.steps[0] ?? new Map();
  const want = reference.run('step', batch, { fetch: tensors });
  const names = tensors.map((ref) => tensorName(module, ref));
  const got = await withSession(load, module, async (session) => {
    await start(session, module, feeds.warmUp);
    return session.run('step', batch, { fetch: names });
  });
  for (const [name, value] of want) mustBeNear(`tensor ${name}`, got.get(name), value, tolerance);
}

function innerTensors(module: Module): TensorRef[] {
  const { step } = module.entries;
  if (step === undefined) return [];
  return [...entryNodes(module, step)].flatMap((node) =>
    nodeOf(module.graph, node).outputs.map((_, port) => ({ node, port })),
  );
}

function tensorName(module: Module, { node, port }: TensorRef): string {
  return `${nodeName(nodeOf(module.graph, node))}:${port}`;
}

async function compareVariables(load: Load, { compilation: { module }, lowered }: Prepared): Promise<void> {
  const written = lowered().steps.at(-1)?.variables ?? new Map();
  await withSession(load, module, async (session) => {
    await session.run('init');
    await session.writeVariables(written);
    const read = await session.readVariables();
    for (const [name, value] of written)
      mustBeNear(`variable ${name}`, read.get(name), value, { relative: 0, absolute: 0 });
  });
}

async function checkErrors(load: Load, { compilation: { module }, feeds }: Prepared): Promise<void> {
  const [batch = new Map()] = feeds.steps;
  const [input = ''] = batch.keys();
  const without = new Map([...batch].filter(([name]) => name !== input));
  const wrong = new Map(batch).set(input, ints(0));
  const node = placeholderOf(module, input);
  await withSession(load, module, async (session) => {
    const reads = { codes: ['PW_VARIABLE_UNINITIALIZED'], node: statefulNodes(module) };
    await mustRefuse(reads, () => session.run('step', batch));
  });
  await withSession(load, module, async (session) => {
    await start(session, module, feeds.warmUp);
    await mustRefuse({ codes: ['PW_FEED_MISSING'], node }, () => session.run('step', without));
    await mustRefuse({ codes: ['PW_FEED_DTYPE'], node }, () => session.run('step', wrong));
    await mustRefuse({ codes: ['PW_FEED_UNKNOWN'] }, () =>
      session.run('step', new Map(batch).set('no such feed', ints(0))),
    );
    await mustRefuse({ codes: ['PW_FETCH_UNKNOWN'] }, () =>
      session.run('step', batch, { fetch: ['no such tensor:0'] }),
    );
    if (module.entries.postInit === undefined)
      await mustRefuse({ codes: ['PW_ENTRY_UNKNOWN'] }, () => session.run('postInit'));
    const unknown = new Map([['no such variable', ints(0)]]);
    await mustRefuse({ codes: ['PW_VARIABLE_UNKNOWN'] }, () => session.writeVariables(unknown));
  });
}

/** Shown name of the placeholder that a feed of the step goes to. */
function placeholderOf(module: Module, feed: string): string {
  const found = module.entries.step?.feeds.find(({ name }) => name === feed);
  return found === undefined ? '' : nodeName(nodeOf(module.graph, found.node));
}

function statefulNodes({ graph }: Module): ReadonlySet<string> {
  return new Set([...graph.nodes.values()].filter((node) => node.resources.length > 0).map(nodeName));
}
