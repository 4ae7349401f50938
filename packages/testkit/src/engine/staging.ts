import { type BufferResource, tensorOf } from '@placewright/ir';
import { mustBeSame } from '../compare.js';
import type { EngineCheck } from './property.js';
import { mustRefuse } from './refusal.js';
import { type Load, type SessionLike, withSession } from './session.js';
import { floats, type SmallBuild, smallModule } from './small.js';

const TYPES = [{ dtype: 'float32', shape: [1] }] as const;
const DEPTH = 2;
const STEPS = 6;

interface BufferOps {
  readonly kind: BufferResource['kind'];
  readonly put: string;
  readonly get: string;
}

const STAGING: BufferOps = { kind: 'stagingArea', put: 'Stage', get: 'Unstage' };
const QUEUE: BufferOps = { kind: 'queue', put: 'QueueEnqueueV2', get: 'QueueDequeueV2' };

/** `warmUp` puts −x twice; `step` gets the oldest as `y` and puts −x; `postInit` puts once more, `eval` gets. */
const delayed =
  (ops: BufferOps) =>
  (b: SmallBuild): void => {
    const area = b.area('area', TYPES, DEPTH, ops.kind);
    const neg = b.op('Neg', 'neg', [b.feed('x', 'float32', [1])]);
    const put = b.op(ops.put, 'put', [neg], {}, { resources: [area] });
    const get = b.op(ops.get, 'get', [], {}, { resources: [area] });
    b.entry('warmUp', {}, [[put], [put]]);
    b.entry('step', { y: get }, [[put]]);
    b.entry('postInit', {}, [[put]]);
    b.entry('eval', { y: get });
  };

/** `warmUp` and `step` each put x; `eval` takes two at once, and `postInit` none, from whatever is there. */
function many(b: SmallBuild): void {
  const area = b.area('area', TYPES, DEPTH, 'queue');
  const put = b.op('QueueEnqueueV2', 'put', [b.feed('x', 'float32', [1])], {}, { resources: [area] });
  const none = b.op('QueueDequeueManyV2', 'none', [], { n: 0 }, { resources: [area] });
  const both = b.op('QueueDequeueManyV2', 'both', [], { n: 2 }, { resources: [area] });
  b.entry('warmUp', {}, [[put]]);
  b.entry('step', { y: both }, [[put]]);
  b.entry('postInit', { y: none });
  b.entry('eval', { y: both });
}

/** A variable that is staged while `step` adds 1 to it: what comes out is what it was. */
function staged(b: SmallBuild): void {
  const v = b.variable('v', floats(0));
  const area = b.area('area', TYPES, DEPTH);
  const read = b.op('ReadVariableOp', 'read', [], {}, { resources: [v] });
  const put = b.op('Stage', 'put', [read], {}, { resources: [area] });
  const get = b.op('Unstage', 'get', [], {}, { resources: [area] });
  const one = b.op('Const', 'one', [], { value: floats(1) });
  const add = b.op('AssignAddVariableOp', 'add', [one], {}, { resources: [v], controls: [put.node] });
  b.entry('warmUp', {}, [[put]]);
  b.entry('step', { y: get }, [[put, add]]);
}

const feed = (x: number) => new Map([['x', floats(x)]]);

/** Checks of staging areas and queues: values come out late, in order and unchanged; full and empty areas stop a run. */
export function stagingChecks(load: Load): readonly EngineCheck[] {
  const check: Check = (name, build, body) => ({
    name,
    run: () => withSession(load, smallModule(build), body),
  });
  return [
    ...bufferChecks('staging area', check, delayed(STAGING)),
    ...bufferChecks('queue', check, delayed(QUEUE)),
    check('two tuples are taken from a queue at once, the oldest first', many, bothAtOnce),
    check('too few tuples are left in a queue, and a run that waits for more is refused', many, tooFew),
    check('a staged variable keeps what it was', staged, unchanged),
  ];
}

type Check = (
  name: string,
  build: (b: SmallBuild) => void,
  body: (session: SessionLike) => Promise<void>,
) => EngineCheck;

function bufferChecks(what: string, check: Check, build: (b: SmallBuild) => void): EngineCheck[] {
  return [
    check(`values come out of a ${what} in order, as many steps later as were put before`, build, inOrder),
    check(`a run that puts into a full ${what} is refused`, build, async (session) => {
      await session.run('warmUp', feed(1));
      await mustRefuse({ codes: ['PW_DEADLOCK'], node: 'put' }, () => session.run('postInit', feed(2)));
    }),
    check(`a run that gets from an empty ${what} is refused`, build, (session) =>
      mustRefuse({ codes: ['PW_DEADLOCK'], node: 'get' }, () => session.run('eval', feed(1))),
    ),
  ];
}

async function inOrder(session: SessionLike): Promise<void> {
  await session.run('warmUp', feed(0));
  for (let k = 1; k <= STEPS; k++) {
    const got = await session.run('step', feed(k));
    mustBeSame(`what step ${k} gets`, got.get('y'), floats(-Math.max(0, k - DEPTH)));
  }
  for (let k = STEPS - DEPTH + 1; k <= STEPS; k++) {
    const got = await session.run('eval', feed(0));
    mustBeSame('what is left', got.get('y'), floats(-k));
  }
}

async function bothAtOnce(session: SessionLike): Promise<void> {
  const none = await session.run('postInit');
  mustBeSame('none of an empty queue', none.get('y'), tensorOf('float32', [0, 1], []));
  for (let k = 0; k < STEPS; k++) {
    await session.run('warmUp', feed(k));
    const got = await session.run('step', feed(-k));
    mustBeSame(`what step ${k} gets`, got.get('y'), tensorOf('float32', [2, 1], [k, -k]));
  }
}

async function tooFew(session: SessionLike): Promise<void> {
  await session.run('warmUp', feed(7));
  await mustRefuse({ codes: ['PW_DEADLOCK'], node: 'both' }, () => session.run('eval'));
  const got = await session.run('step', feed(8));
  mustBeSame(
    'what the refused run has left, and one more',
    got.get('y'),
    tensorOf('float32', [2, 1], [7, 8]),
  );
}

async function unchanged(session: SessionLike): Promise<void> {
  await session.run('init');
  await session.run('warmUp');
  for (let k = 0; k < STEPS; k++) {
    const got = await session.run('step');
    mustBeSame(`what step ${k} gets`, got.get('y'), floats(Math.max(0, k - 1)));
  }
}
