import type { LinkedModule, TensorValue } from '@placewright/ir';
import { mustBeSame } from '../compare.js';
import { must } from '../laws/law.js';
import { type LoadCluster, withCluster } from './cluster-session.js';
import type { EngineCheck } from './property.js';
import { mustRefuse } from './refusal.js';
import type { SessionLike } from './session.js';
import { floats } from './small.js';
import { PS, type SmallWorker, smallCluster } from './small-cluster.js';

const TYPE = { dtype: 'float32', shape: [1] } as const;
const WORKERS = 3;
const STEPS = 6;

/** Each worker adds what it is fed to a shared sum; gated, it waits for all others before it reads the sum. */
const adding =
  (gated: boolean) =>
  (worker: SmallWorker): void => {
    const sum = worker.shared('sum', floats(0));
    const seen = worker.own('seen', floats(-1));
    const by = worker.copy('by', worker.feed('x', TYPE), PS);
    const add = worker.op('AssignAddVariableOp', 'add', [by], { resources: [sum], device: PS });
    const wait = gated ? worker.barrier('added', [add]) : add;
    const read = worker.op('ReadVariableOp', 'read', [], {
      resources: [sum],
      controls: [wait.node],
      device: PS,
    });
    const copy = worker.copy('copy', read);
    const keep = worker.op('AssignVariableOp', 'keep', [copy], { resources: [seen] });
    worker.entry('step', gated ? [keep, worker.barrier('step_end', [read])] : [keep], { sum: copy }, ['x']);
    worker.entry('barrier', [worker.barrier('execution_barrier_', [])]);
  };

/** Worker 0 puts what it is fed into a queue of two, worker 1 takes it out. */
function passing(worker: SmallWorker): void {
  const queue = worker.queue('values', [TYPE], 2);
  if (worker.task === 0) {
    const x = worker.copy('x', worker.feed('x', TYPE), PS);
    worker.entry('step', [worker.op('QueueEnqueueV2', 'put', [x], { resources: [queue], device: PS })], {}, [
      'x',
    ]);
  } else {
    const get = worker.op('QueueDequeueV2', 'get', [], { resources: [queue], device: PS });
    worker.entry('step', [], { y: worker.copy('y', get) });
  }
}

const fed = (x: number): ReadonlyMap<string, TensorValue> => new Map([['x', floats(x)]]);

/** Checks of linked clusters: tasks run at once, wait for each other, share what they should and nothing else. */
export function clusterChecks(load: LoadCluster): readonly EngineCheck[] {
  const check = (
    name: string,
    linked: LinkedModule,
    body: (sessions: readonly SessionLike[]) => Promise<void>,
  ): EngineCheck => ({ name: `in a cluster, ${name}`, run: () => withCluster(load, linked, body) });
  return [
    check('workers wait for each other at barriers', smallCluster(WORKERS, adding(true)), inStep),
    check(
      'every update of workers that do not wait is there once',
      smallCluster(WORKERS, adding(false)),
      apart,
    ),
    check('a queue hands values from one worker to another, in order', smallCluster(2, passing), handedOver),
    check('a worker has its own variables under its own names', smallCluster(2, adding(true)), ownNames),
    check('workers that all wait for what none will do are refused', smallCluster(2, adding(true)), stuck),
    check('a worker that waits for one which has left is refused', smallCluster(2, adding(true)), left),
    check('an error of one worker leaves the others alone', smallCluster(2, adding(true)), oneFails),
  ];
}

async function initialise(sessions: readonly SessionLike[]): Promise<void> {
  for (const session of sessions) await session.run('init');
}

/** The sums that each worker saw in its steps, all at their own pace. */
async function stepAll(sessions: readonly SessionLike[]): Promise<number[][]> {
  return Promise.all(
    sessions.map(async (session, task) => {
      const sums: number[] = [];
      for (let k = 0; k < STEPS; k++) {
        const got = await session.run('step', fed(10 ** task));
        sums.push(Number(got.get('sum')?.data[0]));
      }
      return sums;
    }),
  );
}

async function inStep(sessions: readonly SessionLike[]): Promise<void> {
  await initialise(sessions);
  const want = Array.from({ length: STEPS }, (_, k) => 111 * (k + 1)).join();
  for (const sums of await stepAll(sessions))
    must(sums.join() === want, () => `a worker saw ${sums}, not ${want}`);
}

async function apart(sessions: readonly SessionLike[]): Promise<void> {
  await initialise(sessions);
  const all = await stepAll(sessions);
  const total = 111 * STEPS;
  must(Math.max(...all.flat()) === total, () => `no worker saw the sum ${total}: ${JSON.stringify(all)}`);
  for (const session of sessions)
    mustBeSame('the sum at the end', (await session.readVariables()).get('sum'), floats(total));
  for (const sums of all)
    must(
      sums.every((sum, k) => k === 0 || sum > (sums[k - 1] ?? 0)),
      () => `the sum went back: ${sums}`,
    );
}

async function handedOver(sessions: readonly SessionLike[]): Promise<void> {
  const [first, second] = sessions as readonly [SessionLike, SessionLike];
  const putting = (async () => {
    for (let k = 0; k < STEPS; k++) await first.run('step', fed(k));
  })();
  for (let k = 0; k < STEPS; k++) mustBeSame(`value ${k}`, (await second.run('step')).get('y'), floats(k));
  await putting;
}

async function ownNames(sessions: readonly SessionLike[]): Promise<void> {
  const [first, second] = sessions as readonly [SessionLike, SessionLike];
  await initialise(sessions);
  await second.writeVariables(new Map([['seen', floats(7)]]));
  mustBeSame('seen of worker 0', (await first.readVariables()).get('seen'), floats(-1));
  mustBeSame('seen of worker 1', (await second.readVariables()).get('seen'), floats(7));
  await first.writeVariables(new Map([['sum', floats(3)]]));
  mustBeSame('the sum, which both have', (await second.readVariables()).get('sum'), floats(3));
  const fetch = { fetch: ['copy:0'] };
  const runs = [first.run('step', fed(1), fetch), second.run('step', fed(1), fetch)];
  for (const got of await Promise.all(runs))
    mustBeSame('what is fetched by its own name', got.get('copy:0'), floats(5));
}

async function stuck(sessions: readonly SessionLike[]): Promise<void> {
  const [first, second] = sessions as readonly [SessionLike, SessionLike];
  await initialise(sessions);
  const refused = [
    mustRefuse({ codes: ['PW_DEADLOCK'] }, () => first.run('barrier')),
    mustRefuse({ codes: ['PW_DEADLOCK'] }, () => second.run('step', fed(1))),
  ];
  await Promise.all(refused);
}

async function left(sessions: readonly SessionLike[]): Promise<void> {
  const [first, second] = sessions as readonly [SessionLike, SessionLike];
  const node = 'worker_0/execution_barrier_/get';
  const refused = mustRefuse({ codes: ['PW_DEADLOCK'], node }, () => first.run('barrier'));
  await second.close?.();
  await refused;
}

async function oneFails(sessions: readonly SessionLike[]): Promise<void> {
  const [first, second] = sessions as readonly [SessionLike, SessionLike];
  await second.run('init');
  const failing = mustRefuse({ codes: ['PW_VARIABLE_UNINITIALIZED'] }, () => first.run('step', fed(1)));
  const waiting = second.run('barrier');
  await failing;
  await first.run('barrier');
  await waiting;
  mustBeSame('seen of worker 1', (await second.readVariables()).get('seen'), floats(-1));
}
